"""The WebSocket of live events, over a real socket: messages, replay, limits, sessions, slow clients."""

import asyncio
import json
import socket as sockets
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
import uvicorn
import websockets
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection

from app.config import Settings
from app.container import Container
from app.main import create_app
from app.schemas.events import EpisodeReleased, ReleaseAdded, ReleaseStatusChanged
from app.utils.processes.serving import listen
from tests.fixtures.accounts import make_account
from tests.fixtures.serving import served

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def url(settings: Settings, container: Container) -> AsyncIterator[str]:
    """A separate API process on the database of ``container``, which emits the events."""
    with served(create_app(settings)) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            while (await http.get("/health/live")).status_code != 200:  # noqa: ASYNC110  # it is starting
                await asyncio.sleep(0.05)
        yield url.replace("http", "ws", 1) + "/api/anilibria/v2/ws"


@asynccontextmanager
async def connect(url: str, **options: Any) -> AsyncIterator[ClientConnection]:
    options = {"max_queue": None, **options}  # else a test that does not read misses the close frame
    async with websockets.connect(url, compression=None, **options) as connection:
        yield connection


async def say(connection: ClientConnection, kind: str, **data: Any) -> None:
    await connection.send(json.dumps({"type": kind, "data": data}))


async def hear(connection: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(connection.recv(), 10))


async def ask(connection: ClientConnection, kind: str, **data: Any) -> Any:
    await say(connection, kind, **data)
    return await hear(connection)


async def tell(container: Container, title_id: int, *ordinals: float) -> None:
    async with container.db.transaction() as tx:
        for ordinal in ordinals:
            tx.emit(EpisodeReleased(title_id, ordinal, "Имя", None, "https://a.test/p.jpg", AT))


async def closed(connection: ClientConnection, seconds: float = 15) -> int | None:
    async with asyncio.timeout(seconds):
        await connection.wait_closed()
    return connection.close_code


async def test_the_seeds_messages(url: str, container: Container) -> None:
    user = await make_account(container)
    async with connect(url) as one, connect(url) as other:
        bad = await ask(one, "auth", token="nonsense")
        assert bad["data"] == {"code": "AUTH_FAILED", "message": "Неверный токен аутентификации"}
        good = await ask(one, "auth", token=user.access_token)
        assert (good["type"], good["data"]["user_id"]) == ("auth_ok", user.id)
        assert (await ask(one, "subscribe_title", title_id=9919))["data"] == {"title_id": 9919}
        types = ["new_episode", "new_title", "status_change"]
        assert (await ask(other, "subscribe_updates", types=types))["data"] == {"types": types}
        await ask(other, "subscribe_title", title_id=9919)
        await tell(container, 9919, 18)
        for connection in (one, other):
            event = await hear(connection)
            assert isinstance(event.pop("event_id"), int)
            assert event == {
                "type": "new_episode",
                "data": {
                    "title_id": 9919,
                    "episode": 18,
                    "title": "Имя",
                    "episode_name": None,
                    "poster": "https://a.test/p.jpg",
                    "timestamp": "2026-11-20T12:00:00Z",
                },
            }
        async with container.db.transaction() as tx:
            tx.emit(ReleaseAdded(10001, "Новое", None, ("Экшен",), AT))
            tx.emit(ReleaseStatusChanged(5, "airing", "finished", AT))
        assert [(await hear(other))["type"] for _ in range(2)] == ["new_title", "status_change"]
        assert (await ask(one, "unsubscribe_title", title_id=9919))["type"] == "unsubscribed"
        await tell(container, 9919, 19)
        assert (await hear(other))["data"]["episode"] == 19, "and it came once"
        assert (await ask(one, "ping"))["type"] == "pong"


async def test_missed_events_are_replayed_once_and_in_order(url: str, container: Container) -> None:
    async with connect(url) as connection:
        await ask(connection, "subscribe_title", title_id=7)
        await tell(container, 7, 1)
        last = (await hear(connection))["event_id"]
    await tell(container, 7, *range(2, 30))
    await tell(container, 8, 1)
    async with connect(url) as connection:
        writing = asyncio.create_task(tell(container, 7, 30, 31))
        assert (await ask(connection, "subscribe_title", title_id=7, since=last))["type"] == "subscribed"
        heard = [await hear(connection) for _ in range(30)]
        await writing
        assert [one["data"]["episode"] for one in heard] == list(range(2, 32))
        await say(connection, "subscribe_updates", since=last)
        assert (await hear(connection))["type"] == "subscribed"
        assert (await hear(connection))["data"]["title_id"] == 8
    async with connect(url) as connection:
        since = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        await ask(connection, "subscribe_title", title_id=8, since=since)
        assert (await hear(connection))["data"]["title_id"] == 8


async def test_bad_messages_get_errors_and_too_many_close_the_socket(url: str) -> None:
    async with connect(url) as connection:
        for kind, data, code in (
            ("dance", {}, "UNKNOWN_TYPE"),
            ("subscribe_title", {}, "VALIDATION_ERROR"),
            ("subscribe_title", {"title_id": 2**31}, "VALIDATION_ERROR"),
            ("subscribe_title", {"title_id": "7"}, "VALIDATION_ERROR"),
            ("subscribe_updates", {"types": ["birthdays"]}, "VALIDATION_ERROR"),
        ):
            answer = await ask(connection, kind, **data)
            assert (answer["type"], answer["data"]["code"]) == ("error", code)
        for since in ("yesterday", -1, 1.5, "-1", "1.5", "2026-11-20T12:00:00"):
            assert (await ask(connection, "subscribe_title", title_id=7, since=since))["type"] == "error"
        await connection.send(b"\x00\xff")
        assert (await hear(connection))["data"]["code"] == "INVALID_MESSAGE"
        await connection.send("[" * 4000)
        await connection.send("null")
        assert [(await hear(connection))["data"]["code"] for _ in range(2)] == ["INVALID_MESSAGE"] * 2
        assert await closed(connection) == 1008
    async with connect(url) as connection:
        for _ in range(21):
            await say(connection, "ping")
        assert await closed(connection) == 4429
    async with connect(url) as connection:
        await connection.send("x" * 5000)
        assert await closed(connection) == 1009
    async with connect(url) as connection:
        for _ in range(3):
            await say(connection, "auth", token="nonsense")
        assert await closed(connection) == 4401
    async with connect(url) as connection:
        assert await closed(connection) == 4408, "nothing was said within five seconds"


async def test_pages_of_our_own_and_of_allowed_origins_may_connect(
    settings: Settings, container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    allowed = ["https://app.test", "http://localhost:*"]
    with served(create_app(settings.model_copy(update={"allowed_origins": allowed}))) as base:

        async def status(origin: str) -> int:
            try:
                async with connect(f"ws{base[4:]}/api/anilibria/v2/ws", origin=websockets.Origin(origin)):
                    return 101
            except websockets.InvalidStatus as refused:
                return refused.response.status_code

        for origin in (base, "https://app.test", "HTTPS://APP.test", "http://localhost:3000"):
            assert await status(origin) == 101, origin
        assert caplog.records == [], "these are not reported as refused"
        for origin in (
            "null", "https://evil.test", "http://app.test", "https://app.test:444", "http://localhost:*",
            "http://localhost", "http://localhost:x", "http://localhost:3000.evil.test", "http://localhost:3/",
        ):  # fmt: skip
            assert await status(origin) == 403, origin
    assert [one for one in caplog.records if one.levelname == "ERROR"] == [], "it is no fault of the server"


async def test_a_session_that_ends_closes_its_sockets(url: str, container: Container) -> None:
    user = await make_account(container)
    async with connect(url) as mine, connect(url) as anonymous:
        await ask(mine, "auth", token=user.access_token)
        await ask(anonymous, "ping")
        async with container.db.driver() as driver:
            await driver.execute("delete from sessions where user_id = $1", user.id)
        assert await closed(mine, 6) == 4401
        assert (await ask(anonymous, "ping"))["type"] == "pong"


async def test_a_client_that_never_reads_is_disconnected_without_affecting_others(
    url: str, container: Container
) -> None:
    host, _, port = url.removeprefix("ws://").partition("/")[0].partition(":")
    frozen = sockets.socket()
    frozen.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    await asyncio.to_thread(frozen.connect, (host, int(port)))
    handshake = (
        f"GET /api/anilibria/v2/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    message = json.dumps({"type": "subscribe_updates", "data": {}}).encode()
    frame = bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message
    await asyncio.to_thread(frozen.sendall, handshake.encode())
    assert b" 101 " in await asyncio.to_thread(frozen.recv, 1024)
    await asyncio.to_thread(frozen.sendall, frame)
    async with connect(url, max_queue=None) as good:
        await ask(good, "subscribe_updates")
        await asyncio.sleep(0.5)
        long = "long " * 4000
        for number in range(12):
            async with container.db.transaction() as tx:
                for ordinal in range(100):
                    tx.emit(EpisodeReleased(number, ordinal, long, None, None, AT))
        heard = [await hear(good) for _ in range(1200)]
        assert len({one["event_id"] for one in heard}) == 1200
    frozen.settimeout(30)

    def drain() -> bytes:
        tail = b""
        try:
            while chunk := frozen.recv(1 << 20):
                tail = chunk[-200:]
        except ConnectionResetError:
            return b"reset"
        return tail

    ended = await asyncio.to_thread(drain)
    frozen.close()
    assert ended == b"reset" or (1013).to_bytes(2, "big") in ended


async def test_an_api_token_that_is_revoked_or_an_account_that_is_disabled_closes_its_sockets(
    url: str, container: Container
) -> None:
    user, other = await make_account(container), await make_account(container)
    principal = await container.accounts.authentication.authenticate(user.access_token)
    _, token = await container.accounts.tokens.mint(principal, name="bot", scopes=["read:content"], days=1)
    async with connect(url) as by_token, connect(url) as by_session:
        assert (await ask(by_token, "auth", token=token))["data"]["user_id"] == user.id
        await ask(by_session, "auth", token=other.access_token)
        async with container.db.driver() as driver:
            await driver.execute("delete from api_tokens where user_id = $1", user.id)
            await driver.execute("update users set is_active = false where id = $1", other.id)
        assert [await closed(one, 6) for one in (by_token, by_session)] == [4401, 4401]


async def test_a_user_has_ten_sockets_and_an_unknown_address_twenty(
    settings: Settings, container: Container
) -> None:
    trusting = settings.model_copy(update={"trusted_proxies": [ip_network("127.0.0.1")]})
    user = await make_account(container)
    with served(create_app(trusting)) as base:
        address = base.replace("http", "ws", 1) + "/api/anilibria/v2/ws"

        async def join(stack: AsyncExitStack, client: str) -> ClientConnection:
            headers = {"X-Forwarded-For": client}
            return await stack.enter_async_context(connect(address, additional_headers=headers))

        async with AsyncExitStack() as stack:
            for _ in range(20):
                first = await join(stack, "203.0.113.9")
            with pytest.raises(websockets.InvalidStatus) as refused:
                await join(stack, "203.0.113.9")
            assert refused.value.response.status_code == 429
            await join(stack, "203.0.113.10")
            await ask(first, "auth", token=user.access_token)
            second = await join(stack, "203.0.113.9")  # who signs in no longer counts
            await second.close()
            await asyncio.sleep(0.2)
            await join(stack, "203.0.113.9")
            for number in range(9):
                one = await join(stack, f"198.51.100.{number}")
                assert (await ask(one, "auth", token=user.access_token))["type"] == "auth_ok"
            one = await join(stack, "198.51.100.200")
            assert (await ask(one, "auth", token=user.access_token))["data"]["code"] == "TOO_MANY_CONNECTIONS"
            assert await closed(one) == 4429
            for _ in range(30):
                await join(stack, "127.0.0.1")


_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**63, 10**300, "", "7", "\x00", "й" * 300, [], [None], {}, [[]], {"a": {}},
    "null", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-20", "57",
    ["new_episode"] * 11,
)  # fmt: skip


async def test_no_message_whatever_it_holds_fails_in_the_server(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = ("auth", "subscribe_title", "unsubscribe_title", "subscribe_updates", "ping", "other")
    fields = ("token", "title_id", "types", "since")
    frames: list[Any] = [{"type": kind, "data": odd} for kind in kinds for odd in _ODD]
    whole = {"title_id": 7, "types": ["new_title"]}
    frames += [
        {"type": kind, "data": {**whole, field: odd}}
        for kind in kinds[:4]
        for field in fields
        for odd in _ODD
    ]
    frames += [{"type": odd, "data": {}} for odd in _ODD] + list(_ODD)
    texts = [json.dumps(frame) for frame in frames]
    texts += ['{"type": "ping", "data": NaN}', '{"type":"ping"', "[" * 4000, '{"type": "ping", "type": 5}']
    caplog.clear()

    async def send(some: list[str]) -> None:
        async with connect(url) as connection:
            with suppress(websockets.ConnectionClosed):
                for one in some:
                    await connection.send(one)
                    message = await hear(connection)
                    assert message["type"] in {"error", "subscribed", "unsubscribed", "pong"}, one
                return
        assert connection.close_code in {1008, 4401}, some

    for start in range(0, len(texts), 2 * 19 * 8):
        chosen = texts[start : start + 2 * 19 * 8]
        await asyncio.gather(*(send(chosen[at : at + 19]) for at in range(0, len(chosen), 19)))
    assert [one for one in caplog.records if one.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_server_without_our_extension_closes_with_the_same_codes(
    settings: Settings, container: Container
) -> None:
    """Under plain uvicorn, whose messages may be larger and whose protocol knows no ``cut``."""
    user = await make_account(container)
    config = uvicorn.Config(create_app(settings), log_config=None, lifespan="on")
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/api/anilibria/v2/ws"
        while not server.started:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.05)
        try:
            async with connect(url) as long, connect(url) as mine, connect(url) as loud:
                await ask(mine, "auth", token=user.access_token)
                await ask(mine, "subscribe_title", title_id=7)
                await tell(container, 7, 1)
                assert (await hear(mine))["data"]["episode"] == 1
                await long.send("x" * 5000)
                assert await closed(long) == 1009
                for _ in range(21):
                    await say(loud, "ping")
                assert await closed(loud) == 4429
                async with container.db.driver() as driver:
                    await driver.execute("delete from sessions where user_id = $1", user.id)
                assert await closed(mine, 8) == 4401
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, 30)


async def test_a_gap_in_the_notifications_is_followed_by_a_resync_with_a_cursor(
    container: Container, redis: Redis
) -> None:
    """The link of the bus is cut, as when Redis restarts; events of that time come before the cursor."""
    live = container.releases.live
    async with live.running(), live.connected(lambda code: None, "") as connection:
        live.subscribe_title(connection, 7)
        await asyncio.sleep(0.3)
        await tell(container, 7, 1)
        first = json.loads(await asyncio.wait_for(connection.next(), 10))
        assert first["type"] == "new_episode", "the first subscription is no gap"
        await redis.client_kill_filter(_type="pubsub")
        await tell(container, 7, 2)
        heard = [json.loads(await asyncio.wait_for(connection.next(), 15)) for _ in range(2)]
        (resync,) = [one for one in heard if one["type"] == "resync"]
        sent = [first["event_id"], *(one["event_id"] for one in heard[: heard.index(resync)])]
        assert resync["data"] == {"event_id": sent[-1]}, "all events up to the cursor came before it"
        assert sorted(one["type"] for one in heard) == ["new_episode", "resync"]
        live.subscribe_title(connection, 8)
        await tell(container, 8, 1)
        assert json.loads(await asyncio.wait_for(connection.next(), 10))["data"]["title_id"] == 8
        assert connection.waiting == 0


async def test_another_auth_renews_the_session_of_a_socket(url: str, container: Container) -> None:
    first, second = await make_account(container), await make_account(container)
    async with connect(url) as connection:
        assert (await ask(connection, "auth", token=first.access_token))["data"]["user_id"] == first.id
        assert (await ask(connection, "auth", token="expired"))["data"]["code"] == "AUTH_FAILED"
        assert (await ask(connection, "auth", token=second.access_token))["data"]["user_id"] == second.id
        async with container.db.driver() as driver:
            await driver.execute("delete from sessions where user_id = $1", first.id)
        await asyncio.sleep(5)  # two checks of the sessions
        assert (await ask(connection, "ping"))["type"] == "pong", "the renewed session is alive"
        async with container.db.driver() as driver:
            await driver.execute("delete from sessions where user_id = $1", second.id)
        assert await closed(connection, 6) == 4401
