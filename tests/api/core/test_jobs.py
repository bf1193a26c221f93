"""The job routes: visibility and format."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest
from dirty_equals import IsPositiveInt

from app.config import Settings
from app.container import Container
from app.errors import Unauthenticated
from app.main import create_app
from app.schemas.domain.accounts import PERMISSIONS, Principal, Role
from app.services.jobs import JobRun, JobService
from tests.fixtures.jobs import Mark, Table

FIELDS = [
    "id", "key", "kind", "status", "progress", "error", "created_at", "started_at", "finished_at",
]  # fmt: skip


class ThreeTokens:
    """Authenticates three tokens."""

    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids

    async def authenticate(self, token: str) -> Principal:
        if token not in self._ids:
            raise Unauthenticated
        role: Role = "admin" if token == "root" else "user"
        return Principal(self._ids[token], token, role, PERMISSIONS[role])


@pytest.fixture
async def ids(table: Table) -> dict[str, int]:
    names = ("ada", "bob", "root")
    sql = "insert into users (username, password_hash) values (:name, 'x') returning id"
    return {name: (await table.rows(sql, name=name))[0].id for name in names}


@pytest.fixture
async def people(
    settings: Settings, container: Container, jobs: JobService, ids: dict[str, int]
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client for each of three accounts, and an anonymous one."""
    authentication: Any = ThreeTokens(ids)
    accounts = replace(container.accounts, authentication=authentication)
    app = create_app(settings, container=replace(container, accounts=accounts, jobs=jobs))
    clients = {}
    for name in (*ids, ""):
        headers = {"Authorization": f"Bearer {name}"} if name else {}
        transport = httpx.ASGITransport(app=app)
        clients[name] = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)
    yield clients
    for client in clients.values():
        await client.aclose()


People = dict[str, httpx.AsyncClient]


async def broken(job: object, run: JobRun) -> None:
    raise RuntimeError("a secret of the house")


async def test_a_job_has_the_shape_of_the_contract(
    people: People, jobs: JobService, ids: dict[str, int]
) -> None:
    made = await jobs.submit(Mark(1), owner_id=ids["ada"])
    queued = (await people["ada"].get(f"/jobs/{made.id}")).json()
    assert list(queued) == FIELDS
    assert queued | {"created_at": ""} == {
        "id": IsPositiveInt,
        "key": "test.mark:1",
        "kind": "test.mark",
        "status": "queued",
        "progress": {"done": 0, "total": None},
        "error": None,
        "created_at": "",
        "started_at": None,
        "finished_at": None,
    }
    assert queued["created_at"].endswith("Z")

    async def counting(job: object, run: JobRun) -> None:
        await run.progress(3, 3)

    await jobs.run(made.id, counting)
    ended = (await people["ada"].get(f"/jobs/{made.id}/")).json()
    assert (ended["status"], ended["progress"]) == ("succeeded", {"done": 3, "total": 3})
    times = [datetime.fromisoformat(ended[name]) for name in ("created_at", "started_at", "finished_at")]
    assert times == sorted(times)


async def test_users_see_their_jobs_and_admins_all(
    people: People, jobs: JobService, ids: dict[str, int]
) -> None:
    adas = [(await jobs.submit(Mark(number), owner_id=ids["ada"])).id for number in range(3)]
    without_user = (await jobs.submit(Mark(9))).id
    for name, seen in (("ada", adas[::-1]), ("bob", []), ("root", [without_user, *adas[::-1]])):
        answer = await people[name].get("/jobs")
        assert [job["id"] for job in answer.json()] == seen
        assert answer.headers["X-Total-Count"] == str(len(seen))
    for path in (f"/jobs/{adas[0]}", f"/jobs/{without_user}"):
        assert (await people["bob"].get(path)).status_code == 404
        assert (await people["bob"].post(f"{path}/retry")).status_code == 404
        assert (await people["root"].get(path)).status_code == 200


async def test_without_a_token_there_is_nothing_to_see(people: People) -> None:
    for method, path in (("GET", "/jobs"), ("GET", "/jobs/1"), ("POST", "/jobs/1/retry")):
        answer = await people[""].request(method, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_lists_are_paged_and_filtered(people: People, jobs: JobService) -> None:
    made = [(await jobs.submit(Mark(number))).id for number in range(5)]
    await jobs.run(made[2], broken)
    root = people["root"]
    first = await root.get("/jobs", params={"limit": 2})
    second = await root.get("/jobs", params={"limit": 2, "page": 2})
    third = await root.get("/jobs", params={"limit": 2, "offset": 4})
    pages = [job["id"] for answer in (first, second, third) for job in answer.json()]
    assert pages == made[::-1]
    assert 'rel="next"' in first.headers["Link"]
    assert 'rel="next"' not in third.headers["Link"]
    assert (await root.get("/jobs", params={"status": "failed"})).json() == []
    assert len((await root.get("/jobs", params={"kind": "test.mark", "status": "queued"})).json()) == 5


@pytest.mark.parametrize(
    "query",
    ["status=done", "limit=0", "limit=101", "offset=-1", "page=0", "kind=%00", "kind=%ED%A0%80",
     "kind=" + "x" * 101, "limit=99999999999999999999", "offset=1&page=1"],
)  # fmt: skip
async def test_invalid_query_parameters_are_rejected(people: People, query: str) -> None:
    assert (await people["root"].get(f"/jobs?{query}")).status_code == 422


@pytest.mark.parametrize("job_id", ["0", "-1", "x", "1.5", "9223372036854775808", "%00", "9" * 400])
async def test_impossible_ids_are_rejected(people: People, job_id: str) -> None:
    assert (await people["root"].get(f"/jobs/{job_id}")).status_code in (404, 422)
    assert (await people["root"].post(f"/jobs/{job_id}/retry")).status_code in (404, 422)


async def test_a_failed_job_is_retried_by_its_owner_and_no_other_job_is(
    people: People, jobs: JobService, ids: dict[str, int], table: Table
) -> None:
    made = await jobs.submit(Mark(1), owner_id=ids["ada"])
    refused = await people["ada"].post(f"/jobs/{made.id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT_ERROR")
    await table.rows("update jobs set attempts = 4")
    await jobs.run(made.id, broken)
    failed = (await people["ada"].get(f"/jobs/{made.id}")).json()
    assert (failed["status"], failed["error"]) == ("failed", "Internal error.")
    retried = await people["ada"].post(f"/jobs/{made.id}/retry")
    assert retried.status_code == 202
    assert (retried.json()["status"], retried.json()["error"]) == ("queued", None)


async def test_the_document_knows_the_routes_and_their_failures(people: People) -> None:
    document = (await people[""].get("/openapi.json")).json()
    for path, method, failures in (
        ("/jobs", "get", {"401", "422", "503"}),
        ("/jobs/{job_id}", "get", {"401", "404", "422", "503"}),
        ("/jobs/{job_id}/retry", "post", {"401", "404", "409", "422", "503"}),
    ):
        assert failures <= set(document["paths"][path][method]["responses"])
