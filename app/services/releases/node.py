"""The external Node service: notify it of events, look up its users, read its titles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import NotFound
from app.external.node.client import NodeClient
from app.repositories.accounts import AccountRepository
from app.schemas.domain.accounts import Account
from app.schemas.domain.releases import Release, UpstreamRelease
from app.schemas.events import EpisodeReleased, Event, ReleaseAdded, ReleaseStatusChanged
from app.schemas.release_jobs import NotifyNode
from app.services.events import EventOutbox
from app.services.jobs import JobService
from app.services.releases.live import encode_event
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction
from app.utils.text.cleaning import INT_MAX

_KINDS: tuple[type[Event], ...] = (EpisodeReleased, ReleaseAdded, ReleaseStatusChanged)


@dataclass(frozen=True, slots=True)
class ValidatedUser:
    """``valid`` is whether the user exists and may sign in."""

    user_id: str
    valid: bool
    username: str | None = None
    role: str | None = None
    permissions: tuple[str, ...] = ()


class NodeService:
    """Without a configured service ``client`` is None: nothing is sent, and only our users are valid."""

    def __init__(
        self,
        db: Database,
        events: EventOutbox,
        jobs: JobService,
        client: NodeClient | None,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._client = client
        self._clock = clock
        if client is not None:
            for kind in _KINDS:
                events.react(kind, self._enqueue)

    async def notify(self, job: NotifyNode) -> None:
        """Send one event; raises an error after which the job is retried."""
        if self._client is not None:
            await self._client.notify(job.message)

    async def validate(self, user_id: str) -> ValidatedUser:
        """Look up a user here, otherwise at the Node service."""
        account = await self._find(user_id)
        if account is not None:
            permissions = tuple(sorted(account.permissions)) if account.is_active else ()
            return ValidatedUser(user_id, account.is_active, account.username, account.role, permissions)
        said = await self._client.find_user(user_id) if self._client is not None else None
        if said is None:
            return ValidatedUser(user_id, valid=False)
        return _theirs(user_id, said)

    async def title(self, title_id: int) -> Release | None:
        """A title of its API version 1; None if there is none, or no Node service."""
        if self._client is None:
            return None
        try:
            return self._release(await self._client.get_title(title_id))
        except NotFound:
            return None

    async def titles(self, name: str, *, page: int, limit: int, query: str | None = None) -> list[Release]:
        """A list of its API version 1; empty if there is no Node service."""
        if self._client is None:
            return []
        asked: dict[str, str | int] = {"page": page, "limit": limit, **({"query": query} if query else {})}
        found = await self._client.list_titles(name, asked)
        return [self._release(title) for title in found[:limit]]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _enqueue(self, tx: Transaction, events: Sequence[Event]) -> None:
        messages = [encode_event(event) for event in events]
        jobs = [
            NotifyNode(f"{event.dedup_key or event.name}:{message['timestamp']}", message)
            for event, message in zip(events, messages, strict=True)
        ]
        await self._jobs.enqueue_many(tx, jobs)

    async def _find(self, user_id: str) -> Account | None:
        if not user_id.isascii() or not user_id.isdecimal() or int(user_id) > INT_MAX:
            return None
        async with self._db.reader() as connection:
            return await AccountRepository(connection).find(int(user_id))

    def _release(self, title: UpstreamRelease) -> Release:
        values = {name: getattr(title, name) for name in UpstreamRelease.__dataclass_fields__}
        return Release(**values, id=0, fetched_at=self._clock(), detailed_at=self._clock())


def _theirs(user_id: str, said: dict[str, Any]) -> ValidatedUser:
    permissions = said.get("permissions")
    listed = tuple(str(one) for one in permissions) if isinstance(permissions, list) else ()
    return ValidatedUser(
        user_id, said.get("valid") is True, _text(said.get("username")), _text(said.get("role")), listed
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
