"""``Idempotency-Key`` over HTTP: equality of requests, and what is stored of a response."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import IMPORT, mal_file

REPLAYED = "Idempotency-Replayed"
FILE = mal_file({"mal_id": 77})


@pytest.fixture
async def mine(client: httpx.AsyncClient, user: SignedIn) -> httpx.AsyncClient:
    client.headers.update({**user.headers, "Idempotency-Key": "a-key"})
    return client


def form(boundary: str, *parts: str) -> dict[str, Any]:
    """The bytes of a form, encoded by hand."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return {"content": body.encode(), "headers": headers}


def file_part(name: str = "list.xml", content: bytes = FILE, *, type_first: bool = False) -> str:
    lines = [
        f'Content-Disposition: form-data; name="file"; filename="{name}"',
        "Content-Type: text/xml",
    ]
    return "\r\n".join([*(reversed(lines) if type_first else lines), "", content.decode()])


async def test_a_dry_run_is_another_request(mine: httpx.AsyncClient) -> None:
    dry = await mine.post(IMPORT, params={"dry_run": "true"}, files={"file": ("list.xml", FILE)})
    assert dry.status_code == 200
    real = await mine.post(IMPORT, files={"file": ("list.xml", FILE)})
    assert (real.status_code, real.json()["code"]) == (422, "VALIDATION_ERROR")
    other_key = {"Idempotency-Key": "b"}
    real = await mine.post(IMPORT, files={"file": ("list.xml", FILE)}, headers=other_key)
    assert real.status_code == 202


async def test_the_order_and_spelling_of_the_query_do_not_count(mine: httpx.AsyncClient) -> None:
    file = {"file": ("list.xml", FILE)}
    first = await mine.post(f"{IMPORT}?dry_run=true&mode=merge", files=file)
    for query in ("mode=merge&dry_run=true", "dry_run=tru%65&mode=m%65rge"):
        again = await mine.post(f"{IMPORT}?{query}", files=file)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers[REPLAYED] == "true"
    for query in ("dry_run=true", "dry_run=true&mode=replace", "dry_run=false&mode=merge"):
        assert (await mine.post(f"{IMPORT}?{query}", files=file)).status_code == 422, query


async def test_how_a_form_is_put_into_bytes_does_not_count(mine: httpx.AsyncClient) -> None:
    extra = 'Content-Disposition: form-data; name="note"\r\n\r\nn'
    first = await mine.post(IMPORT, **form("one", file_part(), extra))
    assert first.status_code == 202
    for again in (
        form("another-boundary", file_part(), extra),
        form("x", file_part(type_first=True), extra),
        form("y", extra, file_part()),
    ):
        answer = await mine.post(IMPORT, **again)
        assert (answer.status_code, answer.content) == (202, first.content)
        assert answer.headers[REPLAYED] == "true"
    for other in (
        form("one", file_part(content=FILE + b" "), extra),
        form("one", file_part("other.xml"), extra),
        form("one", file_part()),
        form("one", file_part(), extra.replace("\r\nn", "\r\nm")),
    ):
        assert (await mine.post(IMPORT, **other)).status_code == 422


async def test_a_large_file_is_compared_whole(mine: httpx.AsyncClient) -> None:
    padding = b"<!--" + b"x" * 3_000_000 + b"-->"
    large, other = (FILE + padding + end for end in (b"\n", b"\n\n"))
    first = await mine.post(IMPORT, files={"file": ("l.xml", large)})
    again = await mine.post(IMPORT, files={"file": ("l.xml", large)})
    assert (first.status_code, again.content, REPLAYED in again.headers) == (202, first.content, True)
    assert (await mine.post(IMPORT, files={"file": ("l.xml", other)})).status_code == 422


async def test_a_form_instead_of_json_is_a_client_error(mine: httpx.AsyncClient) -> None:
    for path in ("/users/me/list", "/collections", "/favorites"):
        for body in (form("b", file_part()), {**form("b"), "content": b"nonsense"}):
            assert (await mine.post(path, **body)).status_code in {415, 422}, path
    assert (await mine.post(IMPORT, json={"file": 1})).status_code == 422


async def test_twenty_concurrent_requests_have_one_effect(mine: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(mine.post("/collections", json={"name": "One"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.content for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    again = await mine.post("/collections", json={"name": "One"})
    assert (again.status_code, {again.content}) == (201, made)
    assert len((await mine.get("/collections")).json()) == 1


async def test_a_repeated_share_is_given_the_same_link_and_it_works(mine: httpx.AsyncClient) -> None:
    made = (await mine.post("/collections", json={"name": "One"})).json()
    headers = {"Idempotency-Key": "share"}
    links = [
        (await mine.post(f"/collections/{made['id']}/share", headers=headers)).json()["share_url"]
        for _ in range(2)
    ]
    assert links[0] == links[1]
    assert (await mine.get(links[0])).status_code == 200


async def test_a_repeated_token_is_one_token(
    mine: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    body = {"name": "program", "scopes": ["read:content"], "expires_in_days": 1}
    minted = [await mine.post("/auth/tokens", json=body) for _ in range(2)]
    assert minted[0].status_code == 201
    assert minted[0].content == minted[1].content
    assert (await container.accounts.tokens.list(user.id, limit=20, offset=0))[1] == 1


async def test_stored_responses_contain_no_readable_secret(
    mine: httpx.AsyncClient, database: Database
) -> None:
    made = (await mine.post("/collections", json={"name": "A private name"})).json()
    share = await mine.post(f"/collections/{made['id']}/share", headers={"Idempotency-Key": "b"})
    link = share.json()["share_url"].rpartition("/")[2]
    token = await mine.post(
        "/auth/tokens",
        json={"name": "p", "scopes": ["read:content"], "expires_in_days": 1},
        headers={"Idempotency-Key": "c"},
    )
    async with database.transaction() as tx:
        rows = (await tx.session.execute(text("select * from idempotency_keys"))).all()
    assert len(rows) == 3
    stored = b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
    for secret in (link, token.json()["token"], "A private name"):
        assert secret.encode() not in stored
