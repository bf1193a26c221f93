"""Exports: formats, memory use and concurrency limits."""

import asyncio
import csv
import json
import xml.etree.ElementTree as ET
from io import StringIO

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.utils.spool import Spool
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import IMPORT, long_list, run_queued, upload

EXPORT = "/users/me/export"


@pytest.fixture
async def both(mine: httpx.AsyncClient) -> httpx.AsyncClient:
    """A user with one anime and one manga on the list."""
    for kind, title in (("manga", "Ash — Ωμέγα"), ("anime", "Bebop")):
        item = {"title": title, "type": kind, "source": "manual", "status": "watching"}
        assert (await mine.post("/api/library/items", json=item)).status_code == 200
    return mine


async def fill(container: Container, user_id: int, count: int) -> None:
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into entries (user_id, media_type, mal_id, title, status, notes)
                select :user_id, case when n % 3 = 0 then 'manga' else 'anime' end, n, 'Title ' || n,
                       'watching', repeat('a note ', 20)
                from generate_series(1, :count) n
                """
            ),
            {"user_id": user_id, "count": count},
        )


@pytest.mark.parametrize(
    ("parameters", "kinds", "name"),
    [
        ({}, ["anime", "manga"], "anisync-list"),
        ({"type": "anime"}, ["anime"], "anisync-anime"),
        ({"type": "manga"}, ["manga"], "anisync-manga"),
    ],
)
async def test_json_and_csv_hold_both_types_unless_one_is_asked_for(
    both: httpx.AsyncClient, parameters: dict[str, str], kinds: list[str], name: str
) -> None:
    answer = await both.get(EXPORT, params={"format": "json", **parameters})
    assert [entry["media_type"] for entry in answer.json()["entries"]] == kinds
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.json"'
    answer = await both.get(EXPORT, params={"format": "csv", **parameters})
    assert [row["type"] for row in csv.DictReader(StringIO(answer.content.decode("utf-8-sig")))] == kinds
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'


async def test_a_mal_file_holds_one_type(both: httpx.AsyncClient) -> None:
    for kind in ("anime", "manga"):
        answer = await both.get(EXPORT, params={"format": "mal_xml", "type": kind})
        root = ET.fromstring(answer.content)
        assert [child.tag for child in root] == ["myinfo", kind]
        assert root.findtext(f"myinfo/user_total_{kind}") == "1"
    assert ET.fromstring((await both.get(EXPORT, params={"format": "mal_xml"})).content)[1].tag == "anime"


async def test_csv_begins_with_a_byte_order_mark(both: httpx.AsyncClient, container: Container) -> None:
    exported = await both.get(EXPORT, params={"format": "csv"})
    job = await run_queued(container, both, await both.post(IMPORT, files=upload(long_list(1))))
    report = await both.get(f"{IMPORT}/{job['id']}/report", params={"format": "csv"})
    for answer in (exported, report):
        assert answer.content.startswith(b"\xef\xbb\xbf")
        assert answer.content.count(b"\xef\xbb\xbf") == 1
    assert "Ash — Ωμέγα" in exported.content.decode("utf-8-sig")


@pytest.mark.parametrize("file_format", ["mal_xml", "json", "csv"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1234])
async def test_a_list_of_any_length_is_whole(
    mine: httpx.AsyncClient, container: Container, user: SignedIn, count: int, file_format: str
) -> None:
    await fill(container, user.id, count)
    plain = {"Accept-Encoding": "identity"}  # the length of a compressed stream is unknown at its start
    answer = await mine.get(EXPORT, params={"format": file_format, "type": "anime"}, headers=plain)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    wanted = [n for n in range(1, count + 1) if n % 3]
    if file_format == "mal_xml":
        root = ET.fromstring(answer.content)
        assert root.findtext("myinfo/user_total_anime") == str(len(wanted))
        found = [int(row.findtext("series_animedb_id") or 0) for row in root.iter("anime")]
    elif file_format == "json":
        found = [entry["mal_id"] for entry in answer.json()["entries"]]
    else:
        rows = csv.DictReader(StringIO(answer.content.decode("utf-8-sig"), newline=""))
        found = [int(row["mal_id"]) for row in rows]
    assert sorted(found) == wanted


async def test_the_account_export_includes_an_unfinished_import_without_its_file(
    mine: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    begun = await mine.post(IMPORT, files=upload(long_list(3)))
    owned = (await mine.get(EXPORT)).json()
    [told] = owned["imports"]
    assert told["job_id"] == begun.json()["job_id"]
    assert (told["filename"], told["is_dry_run"], told["counts"]) == ("list.xml.gz", False, {})
    assert "content" not in told
    await run_queued(container, mine, begun)
    answer = await mine.get(EXPORT)
    owned = answer.json()
    assert owned["imports"][0]["counts"] == {"added": 3}
    assert [row["action"] for row in owned["import_reports"][0]["rows"]] == ["added"] * 3
    assert "b'" not in answer.text
    assert "\\\\x" not in answer.text  # bytes as PostgreSQL writes them


async def test_every_instant_of_the_account_export_is_utc_with_z(both: httpx.AsyncClient) -> None:
    owned = (await both.get(EXPORT)).json()
    sections = [[owned.pop("account")], *owned.values()]
    instants = [
        value
        for rows in sections
        for row in rows
        for name, value in row.items()
        if name.endswith("_at") and value
    ]
    assert len(instants) > 5
    assert all(value.endswith("Z") and "T" in value for value in instants)


async def test_a_user_has_two_downloads_and_two_waiting(
    mine: httpx.AsyncClient, container: Container, user: SignedIn, other_user: SignedIn
) -> None:
    async with container.library.exports._downloads.open_spool(user.id) as first:
        pass
    async with container.library.exports._downloads.open_spool(user.id) as second:
        pass
    paths = [EXPORT, *(f"{EXPORT}?format={name}" for name in ("mal_xml", "json", "csv"))]
    asked = {asyncio.create_task(mine.get(path)) for path in [*paths, *paths[:2]]}
    async with asyncio.timeout(20):
        while sum(task.done() for task in asked) < 4:
            await asyncio.wait(asked, timeout=0.05)
    for task in filter(asyncio.Task.done, asked):
        assert task.result().status_code == 429
        assert int(task.result().headers["Retry-After"]) > 0
    assert (await mine.get(EXPORT, headers=other_user.headers)).status_code == 200
    for spool in (first, second):
        spool.close()
    answers = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(answers) == [200, 200, 429, 429, 429, 429]
    assert (await mine.get(EXPORT)).status_code == 200


async def test_a_failed_download_releases_its_slot(container: Container, user: SignedIn) -> None:
    async def fail() -> Spool:
        async with container.library.exports._downloads.open_spool(user.id):
            raise RuntimeError("on purpose")

    for _ in range(6):
        with pytest.raises(RuntimeError):
            await fail()
    async with container.library.exports._downloads.open_spool(user.id) as spool:
        spool.close()


async def test_our_own_export_of_both_types_round_trips(
    both: httpx.AsyncClient, container: Container
) -> None:
    exported = await both.get(EXPORT, params={"format": "json"})
    assert json.loads(exported.content)["version"] == 1
    for item in (await both.get("/api/library/items")).json():
        await both.delete(f"/api/library/items/{item['id']}")
    await run_queued(container, both, await both.post(IMPORT, files={"file": ("l.json", exported.content)}))
    back = (await both.get("/api/library/items", params={"sort": "title"})).json()
    assert [(item["title"], item["type"]) for item in back] == [("Ash — Ωμέγα", "manga"), ("Bebop", "anime")]
