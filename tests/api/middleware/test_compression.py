"""Compressed responses: negotiation, ETags and conditions, stored responses, streams, exceptions."""

import asyncio
import gzip
import threading
from typing import Any

import brotli
import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.api.middleware import compression
from app.api.middleware.compression import BODY, Compressed, Compression, negotiate
from app.utils.db.database import Database

DECODED: dict[str | None, Any] = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}
LONG = b'{"title": "Cowboy Bebop"}' * 4000


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0, br;q=0", None),
        ("gzip;q=0", None),
        ("*", "br"),
        ("*;q=0.1, br;q=0", "gzip"),
        ("*;q=0", None),
        ("identity", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("deflate, zstd", None),
        ("gzip;q=x, br ; q=0.3", "br"),
        ("gzip;q=7", None),
        ("", None),
        (",;, ;q=1", None),
    ],
)
def test_the_best_accepted_encoding_is_chosen(accepted: str, chosen: str | None) -> None:
    assert negotiate(accepted) == chosen


async def test_a_large_body_is_compressed_once_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    real = compression._compress

    def counted(body: bytes, encoding: compression.Encoding) -> bytes:
        threads.append(threading.get_ident())
        return real(body, encoding)

    monkeypatch.setattr(compression, "_compress", counted)
    body = Compressed(LONG)
    impatient = asyncio.create_task(body.form("gzip"))
    await asyncio.sleep(0)
    impatient.cancel()
    forms = await asyncio.gather(*(body.form("gzip") for _ in range(5)))
    assert {gzip.decompress(form) for form in forms} == {LONG}
    assert await body.form("gzip") is forms[0]
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def served(**answers: Any) -> httpx.AsyncClient:
    """A client on an application with these functions as routes."""
    app = Starlette(routes=[Route(f"/{name}", make) for name, make in answers.items()])
    transport = httpx.ASGITransport(app=Compression(app))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def raw(client: httpx.AsyncClient, path: str, accepted: str, **headers: str) -> tuple[Any, bytes]:
    asked = {"Accept-Encoding": accepted, **headers}
    async with client.stream("GET", path, headers=asked) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize("accepted", ["gzip", "br", "identity"])
async def test_bodies_and_streams_come_whole(accepted: str) -> None:
    async def pieces() -> Any:
        for start in range(0, len(LONG), 40_000):
            yield LONG[start : start + 40_000]

    async def whole(_: Request) -> Response:
        return Response(LONG, media_type="application/json", headers={"Vary": "Authorization"})

    async def stream(_: Request) -> Response:
        return StreamingResponse(pieces(), media_type="text/csv")

    encoding = None if accepted == "identity" else accepted
    async with served(whole=whole, stream=stream) as client:
        answer, body = await raw(client, "/whole", accepted)
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Authorization, Accept-Encoding"
        assert answer.headers["Content-Length"] == str(len(body))
        assert DECODED[encoding](body) == LONG
        answer, body = await raw(client, "/stream", accepted)
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert DECODED[encoding](body) == LONG
        assert encoding is None or len(body) < len(LONG) / 20


async def test_bodies_that_would_not_shrink_are_not_compressed() -> None:
    def answering(body: bytes, media_type: str, status: int = 200, **headers: str) -> Any:
        async def answer(_: Request) -> Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return Response(body, status, headers=named, media_type=media_type)

        return answer

    answers = {
        "small": answering(b"[1, 2]", "application/json"),
        "picture": answering(LONG, "image/webp"),
        "packed": answering(gzip.compress(LONG), "text/css", content_encoding="gzip"),
        "part": answering(LONG, "text/css", 206, content_range="bytes 0-9/10"),
        "frozen": answering(LONG, "text/css", cache_control="public, no-transform"),
        "styles": answering(LONG, "text/css"),
    }
    async with served(**answers) as client:
        for name in ("small", "picture", "part", "frozen"):
            answer, _ = await raw(client, f"/{name}", "br, gzip")
            assert "Content-Encoding" not in answer.headers, name
            assert "Vary" not in answer.headers, name
        answer, body = await raw(client, "/packed", "br, gzip")
        assert (answer.headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", LONG)
        answer, body = await raw(client, "/styles", "br, gzip", Range="bytes=0-9")
        assert ("Content-Encoding" in answer.headers, body) == (False, LONG)


async def test_a_stored_body_is_not_compressed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = compression._compress

    def counted(body: bytes, encoding: compression.Encoding) -> bytes:
        made.append(encoding)
        return real(body, encoding)

    monkeypatch.setattr(compression, "_compress", counted)
    kept = Compressed(LONG)

    async def answer(request: Request) -> Response:
        request.scope[BODY] = kept
        return Response(kept.plain, media_type="application/json")

    async with served(kept=answer) as client:
        for accepted in ("gzip", "br", "gzip", "br"):
            _, body = await raw(client, "/kept", accepted)
            assert DECODED[accepted](body) == LONG
    assert made == ["gzip", "br"]


@pytest.mark.parametrize("path", ["/anime?limit=30", "/search/anime?q=ka&limit=30", "/openapi.json", "/"])
async def test_a_compressed_response_has_its_own_etag_for_304(made: httpx.AsyncClient, path: str) -> None:
    plain, whole = await raw(made, path, "identity")
    tags = {plain.headers.get("ETag")}
    for encoding in ("gzip", "br"):
        answer, body = await raw(made, path, f"{encoding}, identity;q=0.1")
        assert answer.headers["Content-Encoding"] == encoding
        assert DECODED[encoding](body) == whole
        if (tag := answer.headers.get("ETag")) is None:
            continue
        tags.add(tag)
        assert not tag.startswith("W/")
        again, nothing = await raw(made, path, encoding, **{"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, nothing) == (304, b"")
        assert again.headers["ETag"] == tag
        assert "Accept-Encoding" in again.headers["Vary"]
        assert "Content-Encoding" not in again.headers
        other, _ = await raw(made, path, "identity", **{"If-None-Match": tag})
        assert other.status_code == 200, "its bytes are others"
    assert len(tags) == (1 if path == "/openapi.json" else 3)


async def test_lists_exports_and_entries_are_compressed_too(
    database: Database, mine: httpx.AsyncClient
) -> None:
    async with database.transaction() as tx:
        titles = "insert into anime (title) select 'Title ' || n from generate_series(1, 20) n returning id"
        ids = list((await tx.session.execute(text(titles))).scalars())
    notes = "long notes " * 100
    for anime_id in ids:
        body = {"anime_id": anime_id, "status": "watching", "notes": notes}
        entry = await mine.post("/users/me/list", json=body, headers={"Accept-Encoding": "br"})
        assert (entry.status_code, entry.headers["Content-Encoding"]) == (201, "br")
    for path in ("/users/me/list", "/users/me/export", "/users/me/export?format=csv"):
        plain, whole = await raw(mine, path, "identity")
        answer, packed = await raw(mine, path, "gzip")
        assert answer.headers["Content-Encoding"] == "gzip", path
        assert (
            gzip.decompress(packed).count(notes.strip().encode()) == whole.count(notes.strip().encode()) > 19
        )
        assert len(packed) < len(whole) / 4
        assert answer.headers.get("Content-Disposition") == plain.headers.get("Content-Disposition")
    stale = {"If-Match": entry.headers["ETag"]}
    path = f"/users/me/list/{ids[-1]}"
    assert (await mine.patch(path, json={"score": 7}, headers=stale)).status_code == 200
    assert (await mine.patch(path, json={"score": 6}, headers=stale)).status_code == 412
