"""Live events of releases: one reader of the event table per process, any number of connections."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from app.errors import ServiceUnavailable
from app.logs import log
from app.repositories.callers import list_live_sessions, list_live_tokens
from app.schemas.anilibria.title import STATUS_WORDS, number_of
from app.schemas.domain.accounts import Principal
from app.schemas.events import EpisodeReleased, Event, ReleaseAdded, ReleaseStatusChanged, StoredEvent
from app.services.events import EventOutbox
from app.utils.background import start_loop
from app.utils.clock import Clock, utc_now
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database, DatabaseUnavailable
from app.utils.metrics import LIVE_CONNECTIONS
from app.utils.redis.bus import Bus

TOPIC = "releases"
Kind = Literal["new_episode", "new_title", "status_change"]
KINDS: tuple[Kind, ...] = ("new_episode", "new_title", "status_change")

_ROOM = 256  # messages queued for one client
_ROOM_BYTES = 1024 * 1024
_PATIENCE = 1.0  # seconds that delivery waits for most recipients of an event
_REMEMBERED = 4000  # ids of events sent to a client, to avoid duplicates
_POLL = 3.0  # seconds after which the table is read even without a notification
_CHECKED_EVERY = 3.0  # seconds between two checks of the sessions
_REPLAYED = timedelta(hours=24)
_PAGE = 200

SLOW, ENDED, RESTART = 1013, 4401, 1012


class Connection:
    """A client with its subscriptions and a bounded queue of messages.

    ``cut`` is called with a close code when the server ends the connection.
    """

    __slots__ = (
        "_bytes",
        "_queue",
        "_ready",
        "address",
        "cut",
        "held",
        "kinds",
        "principal",
        "sent",
        "titles",
        "token_hash",
    )

    def __init__(self, cut: Callable[[int], None], address: str) -> None:
        self.cut = cut
        self.address = address
        self.token_hash: bytes | None = None
        self.titles: set[int] = set()
        self.kinds: set[str] = set()
        self.principal: Principal | None = None
        self.sent: dict[int, None] = {}
        self.held: list[tuple[int, bytes]] | None = None
        self._queue: list[bytes] = []  # short or empty; an empty deque would take 600 bytes
        self._bytes = 0
        self._ready = asyncio.Event()

    def send(self, message: bytes) -> None:
        """Queue a message; a client whose queue is full is disconnected."""
        self._queue.append(message)
        self._bytes += len(message)
        self._ready.set()
        if len(self._queue) > _ROOM or self._bytes > _ROOM_BYTES:
            self._queue.clear()
            self._bytes = 0
            self.cut(SLOW)

    def send_event(self, event_id: int, message: bytes) -> None:
        """Queue an event unless it was sent already; during a replay it is held back."""
        if event_id in self.sent:
            return
        if self.held is not None:
            self.held.append((event_id, message))
            return
        self.sent[event_id] = None
        if len(self.sent) > _REMEMBERED:
            del self.sent[next(iter(self.sent))]
        self.send(message)

    async def next(self) -> bytes:
        """Wait for the oldest queued message, and remove it from the queue."""
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        message = self._queue.pop(0)
        self._bytes -= len(message)
        return message

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def is_congested(self) -> bool:
        """Whether the queue is so long that delivery should slow down."""
        return len(self._queue) > _ROOM // 4 or self._bytes > _ROOM_BYTES // 4

    def wants(self, title_id: int, kind: str) -> bool:
        return kind in self.kinds or title_id in self.titles


class LiveReleases:
    """Sends every event once to each connection of this process that subscribed to it.

    The bus only notifies that there are new events; they are read from the table, after the last id, and also
    every few seconds without a notification. So while Redis is down events are late, but never lost or
    repeated.
    """

    def __init__(
        self,
        db: Database,
        events: EventOutbox,
        bus: Bus,
        *,
        most: int,
        most_of_user: int = 10,
        most_of_address: int = 20,
        clock: Clock = utc_now,
        poll: float = _POLL,
    ) -> None:
        self._db = db
        self._events = events
        self._bus = bus
        self._most = most
        self._most_of_user = most_of_user
        self._most_of_address = most_of_address
        self._anonymous: Counter[str] = Counter()
        self._clock = clock
        self._poll = poll
        self._connections: set[Connection] = set()
        self._by_title: defaultdict[int, set[Connection]] = defaultdict(set)
        self._by_kind: dict[str, set[Connection]] = {kind: set() for kind in KINDS}
        self._hint = asyncio.Event()
        self._cursor: int | None = None
        self._resync = self._subscribed = False
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read events, and end connections whose session has ended, for the duration of the block."""
        reading = start_loop(self._read, "live events")
        checking = start_loop(self._check_sessions, "sessions of live connections")
        try:
            async with self._bus.subscribe(TOPIC, on_message=self._on_message, on_gap=self._on_gap):
                yield
        finally:
            reading.cancel()
            checking.cancel()
            await asyncio.gather(reading, checking, return_exceptions=True)

    @property
    def is_full(self) -> bool:
        return len(self._connections) >= self._most

    def is_crowded(self, address: str) -> bool:
        """Whether a client address has too many anonymous connections; an empty one never has."""
        return bool(address) and self._anonymous[address] >= self._most_of_address

    @asynccontextmanager
    async def connected(self, cut: Callable[[int], None], address: str) -> AsyncIterator[Connection]:
        """A connection for the duration of the block.

        Raises ``ServiceUnavailable`` and ``DatabaseUnavailable``.
        """
        if self.is_full:
            raise ServiceUnavailable(retry_after=5)
        await self._begin()
        connection = Connection(cut, address)
        self._connections.add(connection)
        self._anonymous[address] += 1
        LIVE_CONNECTIONS.inc()
        try:
            yield connection
        finally:
            LIVE_CONNECTIONS.dec()
            self._connections.discard(connection)
            if connection.principal is None:
                self._forget_anonymous(address)
            for kind in connection.kinds:
                self._by_kind[kind].discard(connection)
            for title_id in list(connection.titles):
                self.unsubscribe_title(connection, title_id)

    def authenticate(self, connection: Connection, principal: Principal, token: str) -> bool:
        """Assign the connection to a user; False if that user has too many already."""
        others = [one.principal for one in self._connections if one is not connection]
        mine = sum(1 for other in others if other is not None and other.user_id == principal.user_id)
        if mine >= self._most_of_user:
            return False
        if connection.principal is None:
            self._forget_anonymous(connection.address)
        connection.principal = principal
        connection.token_hash = digest(token) if principal.session_id is None else None
        return True

    def subscribe_title(self, connection: Connection, title_id: int) -> None:
        connection.titles.add(title_id)
        self._by_title[title_id].add(connection)

    def unsubscribe_title(self, connection: Connection, title_id: int) -> None:
        connection.titles.discard(title_id)
        subscribers = self._by_title.get(title_id)
        if subscribers is not None:
            subscribers.discard(connection)
            if not subscribers:
                del self._by_title[title_id]

    def subscribe_kinds(self, connection: Connection, kinds: Iterable[str]) -> None:
        for kind in kinds:
            connection.kinds.add(kind)
            self._by_kind[kind].add(connection)

    async def replay(self, connection: Connection, since: int | datetime) -> None:
        """Send the subscribed events after ``since``, of the last 24 hours, that were not sent yet.

        Live events are held back until then, to preserve the order.
        """
        now = self._clock()
        oldest = now - _REPLAYED
        after, begin = (since, oldest) if isinstance(since, int) else (0, min(max(since, oldest), now))
        connection.held = []
        try:
            while page := await self._events.read(TOPIC, after=after, since=begin, limit=_PAGE):
                after = page[-1].id
                for stored in page:
                    title_id, kind, message = encode(stored)
                    if connection.wants(title_id, kind) and stored.id not in connection.sent:
                        connection.sent[stored.id] = None
                        await self._until_room(connection)
                        connection.send(message)
        finally:
            held, connection.held = connection.held or [], None
            for event_id, message in held:
                connection.send_event(event_id, message)

    def _on_message(self, _: bytes) -> None:
        self._hint.set()

    def _on_gap(self) -> None:
        """Notifications may have been lost: read what is new, then tell the clients up to where they are."""
        self._resync = self._subscribed  # nothing was missed before the first subscription
        self._subscribed = True
        self._hint.set()

    def _forget_anonymous(self, address: str) -> None:
        self._anonymous[address] -= 1
        if not self._anonymous[address]:
            del self._anonymous[address]

    async def _until_room(self, connection: Connection) -> None:
        """Wait up to 10 seconds for a slow client; raises :class:`TimeoutError`."""
        async with asyncio.timeout(10):
            while connection.waiting > _ROOM // 2:  # noqa: ASYNC110  # the queue has no event of its own
                await asyncio.sleep(0.02)

    async def _begin(self) -> None:
        """Before the first connection, start reading after the newest event."""
        if self._cursor is None:
            async with self._starting:
                if self._cursor is None:
                    self._cursor = await self._events.last_id()

    async def _read(self) -> None:
        while True:
            # Cleared before the read, so that a notification during the read causes another one.
            self._hint.clear()
            if self._connections and self._cursor is not None:
                try:
                    await self._read_new(self._cursor)
                    self._send_resync(self._cursor)
                except DatabaseUnavailable:
                    log.warning("live.database_unavailable")
            elif not self._connections:
                self._cursor = None  # the next connection starts after the newest event
            try:
                async with asyncio.timeout(self._poll):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _read_new(self, cursor: int) -> None:
        while page := await self._events.read(TOPIC, after=cursor, limit=_PAGE):
            for stored in page:
                await self._deliver(stored)
                self._cursor = cursor = stored.id

    def _send_resync(self, cursor: int) -> None:
        """After a gap: all events up to ``cursor`` were sent; subscribing ``since`` it misses none."""
        if not self._resync:
            return
        self._resync = False
        message = orjson.dumps({"type": "resync", "data": {"event_id": cursor}})
        for connection in tuple(self._connections):
            if connection.kinds or connection.titles:
                connection.send(message)

    async def _deliver(self, stored: StoredEvent) -> None:
        """Queue an event for all subscribers, no faster than most of them read.

        A client slower than most fills its queue and is disconnected; the others do not wait for it.
        """
        title_id, kind, message = encode(stored)
        recipients = self._by_kind[kind] | self._by_title.get(title_id, set())
        for connection in recipients:
            connection.send_event(stored.id, message)
        await asyncio.sleep(0)
        ends = asyncio.get_running_loop().time() + _PATIENCE
        while sum(one.is_congested for one in recipients) * 2 > len(recipients):
            if asyncio.get_running_loop().time() > ends:
                return
            await asyncio.sleep(0.005)

    async def _check_sessions(self) -> None:
        while True:
            await asyncio.sleep(_CHECKED_EVERY)
            signed = [one for one in self._connections if one.principal is not None]
            if signed:
                await self._end_dead(signed)

    async def _end_dead(self, signed: list[Connection]) -> None:
        now = self._clock()
        sessions = {one.principal.session_id for one in signed if one.principal and one.principal.session_id}
        tokens = {one.token_hash for one in signed if one.token_hash is not None}
        try:
            async with self._db.driver() as driver:
                alive = await list_live_sessions(driver, sessions, now=now)
                live_tokens = await list_live_tokens(driver, tokens, now=now)
        except DatabaseUnavailable:
            return
        for one in signed:
            principal = one.principal
            if principal is None:
                continue
            expired = principal.expires_at is not None and principal.expires_at <= now
            ended = principal.session_id is not None and principal.session_id not in alive
            revoked = one.token_hash is not None and one.token_hash not in live_tokens
            if expired or ended or revoked:
                one.cut(ENDED)


def encode(stored: StoredEvent) -> tuple[int, str, bytes]:
    """The title id, the kind and the JSON message of an event, in the format of the AniLibria surface."""
    told = encode_event(stored.event)
    kind, title_id = told.pop("type"), told["title_id"]
    message = {"type": kind, "event_id": stored.id, "data": told}
    return title_id, kind, orjson.dumps(message)


def encode_event(event: Event) -> dict[str, Any]:
    """The fields of an event in the format of the AniLibria surface, with its ``type``."""
    told: dict[str, Any]
    if isinstance(event, EpisodeReleased):
        told = {
            "type": "new_episode",
            "title_id": event.title_id,
            "episode": number_of(event.ordinal),
            "title": event.title,
            "episode_name": event.episode_name,
            "poster": event.poster,
        }
    elif isinstance(event, ReleaseAdded):
        listed = {"title": event.title, "poster": event.poster, "genres": list(event.genres)}
        told = {"type": "new_title", "title_id": event.title_id, **listed}
    elif isinstance(event, ReleaseStatusChanged):
        old, new = STATUS_WORDS[event.old_status], STATUS_WORDS[event.new_status]
        told = {"type": "status_change", "title_id": event.title_id, "old_status": old, "new_status": new}
    else:
        raise TypeError(f"{event.name} is not a release event")
    return {**told, "timestamp": event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
