"""The WebSocket of AniLibria v2: subscriptions to live title events."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, WebSocket
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from app.api.access import access
from app.api.limits import client_of
from app.api.links import is_allowed_origin
from app.container import Container
from app.errors import Unauthenticated
from app.services.releases.live import KINDS, Connection, Kind
from app.utils.addresses import address_group, parse_address
from app.utils.background import start
from app.utils.clock import utc_now
from app.utils.db.database import DatabaseUnavailable
from app.utils.text.cleaning import BIGINT_MAX, INT_MAX

router = APIRouter(prefix="/api/anilibria/v2", tags=["AniLibria"])

_FIRST = 5.0  # seconds to wait for the client's first message
_MESSAGES, _PERIOD = 20, 10.0  # messages per period in seconds
_SUBSCRIPTIONS = 200
_MALFORMED, _BAD_TOKENS = 3, 3  # close the connection after this many

_LONGEST = 4096  # characters of a message
_FLUSH = 1.0  # seconds to send queued messages before a close
_LINGER = 10.0  # seconds that a close may take

_SILENT, _INVALID, _TOO_LONG, _TOO_MANY, _UNAUTHENTICATED = 4408, 1008, 1009, 4429, 4401

_MESSAGES_OF = {
    "AUTH_FAILED": "Неверный токен аутентификации",
    "INVALID_MESSAGE": "Сообщение не удалось прочитать",
    "UNKNOWN_TYPE": "Неизвестный тип сообщения",
    "VALIDATION_ERROR": "Неверные данные сообщения",
    "RATE_LIMITED": "Слишком много сообщений",
    "TOO_MANY_SUBSCRIPTIONS": "Слишком много подписок",
    "TOO_MANY_CONNECTIONS": "Слишком много соединений этого пользователя",
    "SERVICE_UNAVAILABLE": "Сервис временно недоступен",
}


def _event_id(since: Any) -> Any:
    """The id of an event as a number, also if it was sent as text."""
    return int(since) if isinstance(since, str) and since.isascii() and since.isdecimal() else since


def _timestamp(since: Any) -> str:
    """Only text: pydantic reads numbers as seconds since 1970."""
    if not isinstance(since, str) or ":" not in since:
        raise ValueError("Input should be an event id or an RFC 3339 timestamp")
    return since


_Since = Annotated[
    Annotated[int, Field(ge=0, le=BIGINT_MAX, strict=True)]
    | Annotated[AwareDatetime, BeforeValidator(_timestamp)]
    | None,
    BeforeValidator(_event_id),
]


class _Auth(BaseModel):
    token: Annotated[str, Field(max_length=4096, strict=True)]


class _Title(BaseModel):
    model_config = ConfigDict(extra="ignore")

    title_id: Annotated[int, Field(ge=1, le=INT_MAX, strict=True)]
    since: _Since = None


class _Updates(BaseModel):
    model_config = ConfigDict(extra="ignore")

    types: Annotated[list[Kind], Field(min_length=1, max_length=10)] = list(KINDS)
    since: _Since = None


class _Closed(Exception):
    """The server closes the connection with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@router.websocket("/ws")
@access("public")
async def live_events(socket: WebSocket) -> None:
    """Subscribe to live events of titles."""
    services: Container = socket.app.state.container
    await _Session(socket, services).serve()


class _Session:
    """One connection, from the handshake to its end. There are thousands, so each is small."""

    __slots__ = ("_bad_tokens", "_closing", "_live", "_malformed", "_services", "_socket", "_times")

    def __init__(self, socket: WebSocket, services: Container) -> None:
        self._socket = socket
        self._services = services
        self._live = services.releases.live
        self._times: list[float] = []  # of the latest messages; an empty deque would take 600 bytes
        self._malformed = 0
        self._bad_tokens = 0
        self._closing: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        if not self._is_allowed_origin():
            await self._socket.send_denial_response(Response(status_code=403))
            return
        if self._live.is_full:
            await self._socket.send_denial_response(Response(status_code=503, headers={"Retry-After": "5"}))
            return
        address = self._counted_address()
        if self._live.is_crowded(address):
            await self._socket.send_denial_response(Response(status_code=429, headers={"Retry-After": "5"}))
            return
        await self._socket.accept()
        try:
            async with self._live.connected(self._cut, address) as connection:
                sending = start(self._send_all(connection), "messages of a WebSocket")
                try:
                    await self._receive_all(connection)
                except _Closed as closed:
                    await self._flush(connection)
                    self._cut(closed.code)
                finally:
                    sending.cancel()
        except DatabaseUnavailable:
            self._cut(1013)
        except WebSocketDisconnect:
            return
        finally:
            if self._closing is not None:
                await self._closing

    def _counted_address(self) -> str:
        """The address by which anonymous connections are counted.

        Empty for a loopback address: behind a local proxy all clients may have that one.
        """
        address = client_of(self._socket, self._services.settings.trusted_proxies)
        ip = parse_address(address)
        return address_group(address) if ip is not None and not ip.is_loopback else ""

    def _cut(self, code: int) -> None:
        cut: Callable[[int], None] | None = self._socket.scope.get("extensions", {}).get("anisync.cut")
        if cut is not None:
            cut(code)
        elif self._closing is None:  # served by another program than our own
            self._closing = start(self._close(code), "close of a WebSocket")

    async def _flush(self, connection: Connection) -> None:
        """Wait until the queued messages are sent, including the error that explains the close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                while connection.waiting:  # noqa: ASYNC110  # the queue has no event of its own
                    await asyncio.sleep(0.01)

    async def _close(self, code: int) -> None:
        """Close by ASGI alone; ``receive`` then reports the disconnect."""
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(_LINGER):
                await self._socket.close(code)

    def _is_allowed_origin(self) -> bool:
        """Whether there is no ``Origin`` header, or it is our own or an allowed one."""
        origin = self._socket.headers.get("origin")
        return origin is None or is_allowed_origin(origin, self._socket.scope, self._services.settings)

    async def _send_all(self, connection: Connection) -> None:
        try:
            while True:
                await self._socket.send_text((await connection.next()).decode())
        except (WebSocketDisconnect, RuntimeError):
            return  # the connection was closed meanwhile

    async def _receive_all(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(_FIRST):
                message = await self._socket.receive()
        except TimeoutError:
            raise _Closed(_SILENT) from None
        while message["type"] == "websocket.receive":
            if len(message.get("text") or message.get("bytes") or "") > _LONGEST:
                raise _Closed(_TOO_LONG)
            self._count(connection)
            await self._handle(connection, message)
            message = await self._socket.receive()

    def _count(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        self._times = [time for time in self._times if now - time < _PERIOD]
        if len(self._times) == _MESSAGES:
            self._error(connection, "RATE_LIMITED")
            raise _Closed(_TOO_MANY)
        self._times.append(now)

    async def _handle(self, connection: Connection, message: Any) -> None:
        try:
            said = orjson.loads(message.get("text") or b"")
            kind = said["type"]
        except (orjson.JSONDecodeError, TypeError, KeyError, IndexError):
            kind = None
        if not isinstance(kind, str):
            self._malformed += 1
            self._error(connection, "INVALID_MESSAGE")
            if self._malformed >= _MALFORMED:
                raise _Closed(_INVALID)
            return
        answer = _HANDLERS.get(kind)
        if answer is None:
            self._error(connection, "UNKNOWN_TYPE", {"type": kind[:50]})
            return
        try:
            await answer(self, connection, said.get("data"))
        except ValidationError as fault:
            fields = {".".join(map(str, one["loc"])) or "data": [one["msg"]] for one in fault.errors()[:10]}
            self._error(connection, "VALIDATION_ERROR", {"fields": fields})
        except (DatabaseUnavailable, TimeoutError):
            self._error(connection, "SERVICE_UNAVAILABLE")

    async def _authenticate(self, connection: Connection, data: Any) -> None:
        given = _Auth.model_validate(data)
        try:
            principal = await self._services.accounts.authentication.authenticate(given.token)
        except Unauthenticated:
            self._bad_tokens += 1
            self._error(connection, "AUTH_FAILED")
            if self._bad_tokens >= _BAD_TOKENS:
                raise _Closed(_UNAUTHENTICATED) from None
            return
        if not self._live.authenticate(connection, principal, given.token):
            self._error(connection, "TOO_MANY_CONNECTIONS")
            raise _Closed(_TOO_MANY)
        told = {"user_id": principal.user_id, "username": principal.username}
        self._tell(connection, "auth_ok", {**told, "expires_at": principal.expires_at})

    async def _subscribe_title(self, connection: Connection, data: Any) -> None:
        wanted = _Title.model_validate(data)
        known = wanted.title_id in connection.titles
        if not known and len(connection.titles) >= _SUBSCRIPTIONS:
            self._error(connection, "TOO_MANY_SUBSCRIPTIONS", {"limit": _SUBSCRIPTIONS})
            return
        self._live.subscribe_title(connection, wanted.title_id)
        self._tell(connection, "subscribed", {"title_id": wanted.title_id})
        await self._replay(connection, wanted.since)

    async def _unsubscribe_title(self, connection: Connection, data: Any) -> None:
        wanted = _Title.model_validate(data)
        self._live.unsubscribe_title(connection, wanted.title_id)
        self._tell(connection, "unsubscribed", {"title_id": wanted.title_id})

    async def _subscribe_updates(self, connection: Connection, data: Any) -> None:
        wanted = _Updates.model_validate({} if data is None else data)
        self._live.subscribe_kinds(connection, wanted.types)
        self._tell(connection, "subscribed", {"types": wanted.types})
        await self._replay(connection, wanted.since)

    async def _replay(self, connection: Connection, since: int | datetime | None) -> None:
        if since is not None:
            await self._live.replay(connection, since)

    async def _pong(self, connection: Connection, _: Any) -> None:
        self._tell(connection, "pong", {"timestamp": utc_now()})

    def _tell(self, connection: Connection, kind: str, data: Any) -> None:
        message = {"type": kind, "data": data}
        connection.send(orjson.dumps(message, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS))

    def _error(self, connection: Connection, code: str, details: Any = None) -> None:
        told = {"code": code, "message": _MESSAGES_OF[code]}
        self._tell(connection, "error", told if details is None else {**told, "details": details})


_HANDLERS: dict[str, Callable[[_Session, Connection, Any], Awaitable[None]]] = {
    "auth": _Session._authenticate,
    "subscribe_title": _Session._subscribe_title,
    "unsubscribe_title": _Session._unsubscribe_title,
    "subscribe_updates": _Session._subscribe_updates,
    "ping": _Session._pong,
}
