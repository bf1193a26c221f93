"""Other origins: a rejected one is logged once, with the setting that would allow it."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware.origins import Origins
from app.config import Settings


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(origins: Origins, origin: str, kind: str = "http") -> list[Any]:
    headers = [(b"host", b"anime.example.org"), (b"origin", origin.encode())]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": kind,
        "scheme": "https",
        "method": "GET",
        "path": "/",
        "headers": headers,
        "client": None,
    }
    await origins(scope, receive, send)
    return sent


@pytest.mark.parametrize("allowed", [[], ["https://app.example.org", "http://localhost:*"]])
async def test_each_refused_origin_is_logged_once(allowed: list[str]) -> None:
    origins = Origins(nothing, Settings(_env_file=None, allowed_origins=allowed))
    with capture_logs() as lines:
        for kind in ("http", "websocket"):
            for origin in ("https://evil.example", "http://localhost.evil:1", "null", "https://evil.example"):
                await ask(origins, origin, kind)
    assert [line["origin"] for line in lines] == ["https://evil.example", "http://localhost.evil:1", "null"]
    assert {line["event"] for line in lines} == {"origin.refused"}
    assert all("ALLOWED_ORIGINS" in line["hint"] for line in lines)


async def test_allowed_origins_and_our_own_are_not_logged() -> None:
    allowed = ["https://app.example.org", "http://localhost:*"]
    origins = Origins(nothing, Settings(_env_file=None, allowed_origins=allowed))
    with capture_logs() as lines:
        for origin in ("https://app.example.org", "http://localhost:5173", "https://anime.example.org"):
            await ask(origins, origin)
    assert lines == []


async def test_origins_that_are_made_up_do_not_fill_the_log() -> None:
    origins = Origins(nothing, Settings(_env_file=None))
    with capture_logs() as lines:
        for number in range(500):
            await ask(origins, f"https://{number}.example/{'x' * 1000}")
    assert len(lines) == 100
    assert max(len(line["origin"]) for line in lines) == 200
