"""The compared applications, each a process: `… -m tests.bench.contestants NAME`, settings on stdin."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI, Header, Response

from app.api.access import access
from app.api.conditional import etag_of
from app.config import Settings
from app.main import create_app
from app.utils.processes.serving import configure, listen
from app.utils.processes.supervisor import end_with_parent
from tests.bench.pinning import SERVER_CORE, pin

Order = dict[str, Any]
JSON_HEADERS = [(b"content-type", b"application/json")]


def bare_database(order: Order) -> Any:
    """No framework: asyncpg, and the same JSON built by PostgreSQL in the simplest possible statement."""

    async def body(pool: asyncpg.Pool, _: Any) -> bytes:
        text: str = await pool.fetchval(order["sql"], *order["arguments"])
        return text.encode()

    return _bare(order, body)


def bare_statements(order: Order) -> Any:
    """No framework: asyncpg and one statement per path, with its arguments in the query string.

    A statement with one column returns the JSON itself; rows of others are encoded here.
    """

    async def body(pool: asyncpg.Pool, scope: Any) -> bytes:
        sql = order["statements"].get(scope["path"])
        if sql is None:
            return b"{}"
        arguments = map(unquote, scope["query_string"].decode().split("&"))
        rows = await pool.fetch(sql, *arguments)
        if len(rows[0]) == 1:
            return str(rows[0][0]).encode()
        return orjson.dumps([dict(row) for row in rows])

    return _bare(order, body)


def _bare(order: Order, body: Callable[[asyncpg.Pool, Any], Awaitable[bytes]]) -> Any:
    pool: asyncpg.Pool

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal pool
        if scope["type"] == "lifespan":
            await receive()
            pool = await asyncpg.create_pool(order["dsn"], min_size=5, max_size=15)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await _send(send, await body(pool, scope))

    return app


def bare_memory(order: Order) -> Any:
    """No framework, and a constant body."""
    body = Path(order["body"]).read_bytes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await _send(send, body)

    return app


async def _send(send: Any, body: bytes) -> None:
    headers = [*JSON_HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def fastapi_memory(order: Order) -> Any:
    """One FastAPI route with a constant body, which supports 304."""
    body = Path(order["body"]).read_bytes()
    headers = {"ETag": etag_of(body), "Cache-Control": "no-cache"}
    app = FastAPI()

    @app.get("/anime")
    async def anime(if_none_match: str | None = Header(None)) -> Response:
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return app


def ours(order: Order) -> Any:
    return create_app(settings_of(order))


def ours_inside(order: Order) -> Any:
    """The whole application, with the body cached behind the router instead of in front of it."""
    app = create_app(settings_of(order))
    body = Path(order["body"]).read_bytes()
    headers = {"ETag": etag_of(body), "Cache-Control": "no-cache"}

    @app.get("/inside")
    @access("public")
    async def anime(if_none_match: str | None = Header(None)) -> Response:
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return app


def settings_of(order: Order) -> Settings:
    return Settings(
        _env_file=None,
        database_url=order["database_url"],
        redis_url=order["redis_url"],
        anisync_home=Path(order["home"]),
        secret_key="a secret of benchmarks, longer than 32 bytes",
        auto_migrate=False,
        trusted_proxies="127.0.0.1",  # addresses of the clients are stated by the load
        access_token_expire_minutes=120,  # longer than a benchmark
    )


CONTESTANTS: dict[str, Callable[[Order], Any]] = {
    contestant.__name__: contestant
    for contestant in (bare_database, bare_statements, bare_memory, fastapi_memory, ours, ours_inside)
}


if __name__ == "__main__":
    end_with_parent(os.getppid(), grace=5)
    pin(SERVER_CORE)
    listener = listen("127.0.0.1", 0)
    application = CONTESTANTS[sys.argv[1]](json.loads(sys.stdin.readline()))
    print(listener.getsockname()[1], flush=True)  # noqa: T201  # the port is what the caller waits for
    uvicorn.Server(configure(application)).run(sockets=[listener])
