"""Types of the two-way sync: entries that both sides can represent, snapshots, conflicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from app.schemas.domain.library import EntryState, EntryStatus, MediaType, Subject

SyncStatus = EntryStatus | Literal["rewatching"]
Side = Literal["local", "remote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """The synced fields. Empty values are None, 0 or false; a status of None means that there is no entry.

    Rewatching is a status of its own here, since merging it as a separate field could give invalid
    combinations.
    """

    status: SyncStatus | None = None
    score: int | None = None
    progress: int = 0
    volumes: int | None = None
    rewatch_count: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    notes: str | None = None
    is_private: bool = False

    @classmethod
    def of(cls, state: EntryState) -> "SyncState":
        same = {name: getattr(state, name) for name in SYNC_FIELDS if name != "status"}
        return cls(status="rewatching" if state.is_rewatching else state.status, **same)

    def onto(self, state: EntryState) -> EntryState:
        """The entry with these fields; all others keep their values."""
        same: dict[str, Any] = {name: getattr(self, name) for name in SYNC_FIELDS if name != "status"}
        if self.status == "rewatching":
            kept = state.is_rewatching
            return replace(state, **same, is_rewatching=True, status=state.status if kept else "watching")
        return replace(state, **same, is_rewatching=False, status=self.status or state.status)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "SyncState":
        return cls(**{name: stored[name] for name in SYNC_FIELDS if name in stored})


SYNC_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(SyncState))
NOTHING = SyncState()

Hold = Callable[[SyncState], SyncState]
"""Converts an entry to what the service can represent: its score scale, only the fields it has."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service's last known state, and our state last sent to it; both as the service represents them."""

    remote: SyncState
    sent: SyncState


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Both sides had changed the field; ``kept`` is the side whose value was kept."""

    field: str
    local_value: Any
    remote_value: Any
    kept: Side


@dataclass(frozen=True, slots=True)
class SyncConflict:
    """An open conflict; the values are those of a ``SyncState``."""

    id: int
    entry_id: int
    field: str
    local_value: Any
    remote_value: Any
    kept: Side
    at: datetime


@dataclass(frozen=True, slots=True)
class SyncedAccount:
    """A linked account as shown to its owner.

    ``reconnect``: the account must be connected again. ``pending`` is the number of entries not sent yet;
    ``rejected`` are the entries that the service rejects, with the reason.
    """

    username: str
    connected_at: datetime
    expires_at: datetime
    reconnect: bool
    synced_at: datetime | None
    pending: int
    conflicts: int
    rejected: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """What an operator has configured for signing in at a service; the secret itself is left out."""

    client_id: str | None
    client_secret_set: bool
    redirect_uri: str | None


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """An account at a service, with the token for requests."""

    remote_user_id: int
    name: str
    score_format: str | None
    token: str


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """An entry of a service's list; ``remote_id`` is the service's id of the title.

    ``missing_fields`` are the fields that were missing in the response, so their values are unknown.
    """

    remote_id: int
    state: SyncState
    updated_at: datetime
    subject: Subject
    missing_fields: frozenset[str] = frozenset()

    def filled(self, known: SyncState) -> SyncState:
        """The state, with missing fields taken from ``known``."""
        return replace(self.state, **{name: getattr(known, name) for name in self.missing_fields})


class RemoteLists(Protocol):
    """A service with lists. Methods raise ``UpstreamFailure``, or ``TokenRefused``."""

    service: str
    id_field: Literal["anilist_id", "mal_id"]
    """The field with the service's id of a title."""

    def hold(self, media_type: MediaType, score_format: str | None) -> Hold: ...

    async def list_entries(self, account: RemoteAccount, media_type: MediaType) -> list[RemoteEntry]:
        """The whole list."""
        ...

    async def find_entries(
        self, account: RemoteAccount, media_type: MediaType, remote_ids: Sequence[int]
    ) -> dict[int, RemoteEntry] | None:
        """The existing entries of these titles; None if the service cannot tell."""
        ...

    async def save(
        self, account: RemoteAccount, media_type: MediaType, remote_id: int, changes: Mapping[str, Any]
    ) -> RemoteEntry:
        """Change these fields of an entry, or add one; returns the entry as stored by the service."""
        ...
