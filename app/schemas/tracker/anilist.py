"""Schemas of AniList accounts and imports on the tracker surface."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.schemas.core.jobs import QueuedJobOut
from app.schemas.domain.library import MediaType
from app.schemas.domain.sync import OAuthSettings, Side, SyncConflict, SyncedAccount
from app.schemas.tracker.library import AnyType

_LONGEST_STATUS = 50  # characters

# AniList names consist of letters and digits; some old ones are shorter than three characters.
Username = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50, pattern=r"^[A-Za-z0-9_-]+$")
]


class ConnectUrlOut(BaseModel):
    url: str


class ClientSettingsOut(BaseModel):
    """The OAuth client of this installation at AniList."""

    client_id: str | None = Field(description="The id that AniList gave the client; null if none is set.")
    client_secret_set: bool = Field(description="Whether the client's secret is set.")
    redirect_uri: str | None = Field(
        description="Where AniList sends users back to, as registered there; null if none is set."
    )

    @classmethod
    def of(cls, settings: OAuthSettings) -> "ClientSettingsOut":
        return cls(**asdict(settings))


class ConnectionOut(BaseModel):
    """``reconnect``: the token has expired or AniList rejects it; changes wait until you reconnect.

    ``pending`` is the number of entries not sent to AniList yet, ``rejected`` are those that AniList rejects.
    """

    connected: bool
    username: str | None = None
    connected_at: datetime | None = None
    expires_at: datetime | None = None
    reconnect: bool = False
    last_sync_at: datetime | None = None
    pending: int = 0
    conflicts: int = 0
    rejected: list["RejectedEntryOut"] = []

    @classmethod
    def of(cls, account: SyncedAccount | None) -> "ConnectionOut":
        if account is None:
            return cls(connected=False)
        return cls(
            connected=True,
            username=account.username,
            connected_at=account.connected_at,
            expires_at=account.expires_at,
            reconnect=account.reconnect,
            last_sync_at=account.synced_at,
            pending=account.pending,
            conflicts=account.conflicts,
            rejected=[RejectedEntryOut(entry_id=id_, reason=why) for id_, why in account.rejected],
        )


class RejectedEntryOut(BaseModel):
    entry_id: int
    reason: str


class AniListImportIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    media_type: AnyType = "anime"

    @property
    def kind(self) -> MediaType:
        return self.media_type


class ConflictOut(BaseModel):
    """A field that was changed here and at AniList; ``kept`` is the side whose value was kept.

    Scores are 0 to 10.
    """

    id: int
    entry_id: int
    field: str
    local_value: Any
    remote_value: Any
    kept: Side
    at: datetime

    @classmethod
    def of(cls, conflict: SyncConflict) -> "ConflictOut":
        return cls(
            id=conflict.id,
            entry_id=conflict.entry_id,
            field=conflict.field,
            local_value=_shown(conflict.field, conflict.local_value),
            remote_value=_shown(conflict.field, conflict.remote_value),
            kept=conflict.kept,
            at=conflict.at,
        )


class ResolveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    use: Side


def _objects_of(raw: Any) -> Any:
    """The array with ``{}`` in place of other values, later reported as rows without a title."""
    items = [] if raw is None else raw
    return [one if isinstance(one, dict) else {} for one in items] if isinstance(items, list) else items


def _status_of(raw: Any) -> str | None:
    return raw if isinstance(raw, str) and len(raw) <= _LONGEST_STATUS else None


class ReadListIn(BaseModel):
    """A list as a client fetched it from AniList; what is unknown or unreadable in it is ignored."""

    model_config = ConfigDict(extra="ignore")

    status: Annotated[str | None, BeforeValidator(_status_of)] = None
    entries: Annotated[list[dict[str, Any]], Field(max_length=20_000), BeforeValidator(_objects_of)] = []


class ListImportIn(BaseModel):
    """Either ``animes``, lists that the client has fetched, or ``username``, whose public lists to fetch."""

    model_config = ConfigDict(extra="ignore")

    animes: Annotated[list[ReadListIn], Field(max_length=100), BeforeValidator(_objects_of)] | None = None
    username: Username | None = None


class ReadAnimeOut(BaseModel):
    """``id`` and ``thumbnail`` are the catalogue's, if it has the title."""

    id: int | None
    thumbnail: str | None
    title: str
    status: Literal["watching", "completed", "plan to watch", "dropped", "on hold"] | None


class ReadListsOut(BaseModel):
    """``job`` imports the same entries into your list."""

    animes: Sequence[ReadAnimeOut]
    job: QueuedJobOut


def _shown(field: str, value: Any) -> Any:
    return value / 10 if field == "score" and value is not None else value
