"""Imports and exports of list files over HTTP, with real files if they are available."""

import gzip
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.container import Container
from app.services.library.downloads import Downloads
from app.services.library.imports import UPLOADS, ImportService
from app.services.library.reading import ListReader
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import IMPORT, Importer, counts, mal_file, undo_import


async def test_rows_are_imported_once_and_reported(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    content = mal_file(
        {"mal_id": 1, "title": "Bebop"},
        {"mal_id": 77, "title": "Nobody knows"},
        {"mal_id": 1, "title": "Bebop again"},
        {"mal_id": 78, "status": "Forgotten"},
    )
    report = await importer.run(content)
    assert counts(report) == (3, 0, 0, 1, 0)
    assert [row["line"] for row in report["rows"]] == [1, 2, 3, 4]
    assert [row["anime_id"] for row in report["rows"]] == [bebop, None, bebop, None]
    assert [row["matched"] for row in report["rows"]] == [True, False, True, False]
    assert report["rows"][2]["reason"] == "the same title as row 1"
    assert report["rows"][3]["reason"] == "unknown status 'Forgotten': taken as watching"
    known, unknown, _ = sorted((await mine.get("/users/me/list")).json(), key=lambda entry: entry["id"])
    assert known == IsPartialDict(
        anime_id=bebop, progress=3, score=8.0, started_at="2017-10", tags=["jazz", "space"], rewatch_count=1
    )
    assert unknown == IsPartialDict(anime_id=None, max_progress=26)
    assert unknown["anime"] == IsPartialDict(mal_id=77, title="Nobody knows")
    again = await importer.run(content)
    assert counts(again) == (0, 0, 3, 1, 0)
    assert again["rows"][3]["reason"] == "unknown status 'Forgotten': ours is kept"
    history = (await mine.get(f"/users/me/list/{bebop}/history")).json()
    assert [change["origin"] for change in history] == ["import"]


async def test_a_dry_run_reports_the_import_and_changes_nothing(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    await mine.post("/users/me/list", json={"anime_id": bebop, "status": "dropped"})
    content = mal_file({"mal_id": 1}, {"mal_id": 77})
    before = (await mine.get("/users/me/list")).json()
    answer = await importer.send(content, dry_run=True)
    assert answer.status_code == 200
    assert (await mine.get("/users/me/list")).json() == before
    report = await importer.run(content)
    assert {name: report[name] for name in answer.json()} == answer.json()
    assert counts(report) == (1, 1, 0, 0, 0)


async def test_a_distant_duplicate_row_is_not_an_edit(
    mine: httpx.AsyncClient, container: Container, bebop: int
) -> None:
    """The report equals that of the dry run, and the undo is complete, however the file is split."""
    imports = ImportService(container.db, container.jobs, ListReader(), Downloads(), chunk=2)
    small = replace(container, library=replace(container.library, imports=imports))
    importer = Importer(mine, small)
    content = mal_file(
        {"mal_id": 1},
        {"mal_id": 77},
        {"mal_id": 78},
        {"mal_id": 1, "progress": 9},
        {"mal_id": 77, "score": 1},
    )
    foreseen = (await importer.send(content, dry_run=True)).json()
    report = await importer.run(content)
    assert {name: report[name] for name in foreseen} == foreseen
    assert counts(report) == (3, 0, 0, 2, 0)
    assert report["rows"][3]["reason"] == "the same title as row 1"
    assert (await mine.get(f"/users/me/list/{bebop}")).json()["progress"] == 3
    assert await undo_import(small, mine, report["job"]) == 3
    assert (await mine.get("/users/me/list")).json() == []


async def test_a_score_that_rounds_to_the_files_is_kept(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    path = f"/users/me/list/{bebop}"
    await mine.post("/users/me/list", json={"anime_id": bebop, "status": "watching", "score": 7.5})
    await importer.run(mal_file({"mal_id": 1, "score": 8}))
    assert (await mine.get(path)).json()["score"] == 7.5
    await importer.run(mal_file({"mal_id": 1, "score": 7}))
    assert (await mine.get(path)).json()["score"] == 7.0
    await mine.patch(path, json={"score": 0.4})
    await importer.run(mal_file({"mal_id": 1, "score": 0, "progress": 4}))
    assert (await mine.get(path)).json() == IsPartialDict(score=0.4, progress=4)


async def test_an_undo_keeps_later_edits(
    importer: Importer, mine: httpx.AsyncClient, container: Container, bebop: int
) -> None:
    await mine.post("/users/me/list", json={"anime_id": bebop, "status": "dropped"})
    report = await importer.run(mal_file({"mal_id": 1}, {"mal_id": 77}, {"mal_id": 78}))
    items = (await mine.get("/api/library/items", params={"sort": "title"})).json()
    edited = next(item for item in items if item["mal_id"] == 78)
    await mine.patch(f"/api/library/items/{edited['id']}", json={"progress": 9})
    assert await undo_import(container, mine, report["job"]) == 2
    kept = (await mine.get("/users/me/list")).json()
    assert {(entry["anime"]["mal_id"], entry["status"]) for entry in kept} == {
        (1, "dropped"),
        (78, "watching"),
    }
    assert (await mine.post(f"{IMPORT}/{report['job']}/undo")).status_code == 409


async def test_a_cancelled_import_reports_every_row(
    importer: Importer, mine: httpx.AsyncClient, container: Container
) -> None:
    job = (await importer.send(mal_file({"mal_id": 77}, {"mal_id": 78}))).json()["job_id"]
    assert (await mine.post(f"{IMPORT}/{job}/undo")).status_code == 409
    assert (await mine.post(f"{IMPORT}/{job}/cancel")).status_code == 204
    await container.jobs.run(job, performer(container))
    report = (await mine.get(f"{IMPORT}/{job}/report")).json()
    assert counts(report) == (0, 0, 0, 2, 0)
    assert {row["reason"] for row in report["rows"]} == {"the import was cancelled"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<myanimelist><anime>",
        b'[{"target_title": "cut',
        gzip.compress(b"<myanimelist></myanimelist>", mtime=0)[:-9],
        b'<!DOCTYPE x [<!ENTITY a "b">]><myanimelist><anime>&a;</anime></myanimelist>',
        b"\x00\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_a_file_that_is_not_a_list_is_rejected(
    importer: Importer, mine: httpx.AsyncClient, content: bytes
) -> None:
    answer = await importer.send(content)
    assert answer.status_code == 422
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert (await mine.get("/jobs")).json() == []


async def test_a_decompression_bomb_is_rejected(importer: Importer) -> None:
    answer = await importer.send(gzip.compress(b"<" + b" " * (101 * 1024 * 1024)))
    assert answer.status_code == 413


async def test_entries_are_linked_when_their_titles_are_added(
    importer: Importer, mine: httpx.AsyncClient, container: Container, database: Database
) -> None:
    await importer.run(mal_file({"mal_id": 77, "title": "Early bird"}))
    async with database.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, title, episodes) values (77, 'Known', 12)"))
    assert await container.library.entries.match() == 1
    assert await container.library.entries.match() == 0
    [entry] = (await mine.get("/users/me/list")).json()
    assert entry["anime"] == IsPartialDict(id=entry["anime_id"], title="Known", episodes=12)
    assert counts(await importer.run(mal_file({"mal_id": 77, "title": "Early bird"}))) == (0, 0, 1, 0, 0)


async def test_imports_of_other_users_are_not_found(
    importer: Importer, mine: httpx.AsyncClient, other_user: SignedIn
) -> None:
    job = (await importer.run(mal_file({"mal_id": 77})))["job"]
    for method, what in (("GET", "report"), ("POST", "cancel"), ("POST", "undo")):
        answer = await mine.request(method, f"{IMPORT}/{job}/{what}", headers=other_user.headers)
        assert answer.status_code == 404
    assert len((await mine.get("/users/me/list")).json()) == 1


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The entries of a MAL file, in the order of their ids, without outer white space."""
    found = []
    for element in ET.fromstring(content):
        if element.tag in ("anime", "manga"):
            found.append({child.tag: (child.text or "").strip() for child in element})
    return sorted(found, key=lambda row: (row.get("series_animedb_id") or row["manga_mangadb_id"], str(row)))


def plain(row: dict[str, str]) -> dict[str, str]:
    words = {"my_status": lambda word: word.replace("-", " ").lower().replace("read", "watch")}
    return {tag: words.get(tag, str)(text) for tag, text in row.items() if tag != "update_on_import"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mal_anime_2018_109_oldheader.xml", "anime"),
        ("mal_anime_2023_1077.xml", "anime"),
        ("mal_anime_2024_506.xml", "anime"),
        ("mal_anime_2024_577.xml", "anime"),
        ("mal_manga_2024_39.xml", "manga"),
    ],
)
async def test_a_mal_export_round_trips(
    importer: Importer, mine: httpx.AsyncClient, shared: Path, name: str, kind: str, bebop: int
) -> None:
    content = (shared / "datasets/exports/mal_xml" / name).read_bytes()
    report = await importer.run(content)
    assert counts(report) == (len(rows_of(content)), 0, 0, 0, 0)
    answer = await mine.get("/users/me/export", params={"format": "mal_xml", "type": kind})
    given, back = rows_of(content), rows_of(answer.content)
    assert len(back) == len(given)
    for theirs, ours in zip(given, back, strict=True):
        assert plain(ours) == plain(theirs)


async def test_every_real_file_is_imported_completely_and_once(
    importer: Importer, mine: httpx.AsyncClient, container: Container, user: SignedIn, shared: Path
) -> None:
    for path in sorted((shared / "datasets/exports").glob("*/*")):
        if path.name == "fixture_list_broken.json":
            assert (await importer.send(path.read_bytes())).status_code == 422
            continue
        await container.quotas.clear(UPLOADS, str(user.id))
        first = await importer.run(path.read_bytes())
        assert sum(counts(first)) == len(first["rows"]) > 0, path.name
        assert all(row["reason"] for row in first["rows"] if row["action"] in ("skipped", "failed"))
        again = await importer.run(path.read_bytes())
        assert (again["added"], again["updated"]) == (0, 0), path.name


async def test_our_exports_can_be_imported(importer: Importer, mine: httpx.AsyncClient, bebop: int) -> None:
    await importer.run(mal_file({"mal_id": 1}, {"mal_id": 77, "title": 'Quo"te, comma'}))
    await mine.patch(f"/users/me/list/{bebop}", json={"score": 7.5, "is_private": True})
    exported = await mine.get("/users/me/export", params={"format": "json"})
    assert exported.headers["Content-Disposition"].endswith('"anisync-list.json"')
    before = [
        {**entry, "updated_at": None, "id": None, "created_at": None, "version": None}
        for entry in json.loads((await mine.get("/users/me/list", params={"sort": "title"})).content)
    ]
    for item in (await mine.get("/api/library/items")).json():
        await mine.delete(f"/api/library/items/{item['id']}")
    assert counts(await importer.run(exported.content)) == (2, 0, 0, 0, 0)
    after = (await mine.get("/users/me/list", params={"sort": "title"})).json()
    assert [
        {**entry, "updated_at": None, "id": None, "created_at": None, "version": None} for entry in after
    ] == before
    csv = (await mine.get("/users/me/export", params={"format": "csv"})).text.splitlines()
    assert len(csv) == 3
    assert '"Quo""te, comma"' in csv[2]


@pytest.mark.parametrize(
    "name",
    [
        "mal_xml/mal_anime_2018_109_oldheader.xml",
        "mal_xml/mal_manga_2024_39.xml",
        "kitsu/kitsu_api_library_manga_fixture.json",
        "anilist/anilist_medialistcollection_fixture.json",
        "shikimori/fixture_list.xml",
    ],
)
async def test_importing_our_export_changes_nothing(
    importer: Importer, mine: httpx.AsyncClient, shared: Path, name: str
) -> None:
    first = await importer.run((shared / "datasets/exports" / name).read_bytes())
    told = 0
    for file_format in ("mal_xml", "json"):
        for kind in ("anime", "manga"):
            exported = await mine.get("/users/me/export", params={"format": file_format, "type": kind})
            again = await importer.run(exported.content)
            assert counts(again) == (0, 0, len(again["rows"]), 0, 0)
            told += len(again["rows"])
    assert told == 2 * first["added"]


async def test_carried_fields_are_kept_per_service(importer: Importer, mine: httpx.AsyncClient) -> None:
    await importer.run(mal_file({"mal_id": 77}))
    kitsu = (
        b"<myanimelist><anime><series_animedb_id>77</series_animedb_id><my_status>On Hold</my_status>"
        b"<my_watched_episodes>4</my_watched_episodes><my_read_volumes>0</my_read_volumes></anime></myanimelist>"
    )
    await importer.run(kitsu)
    [row] = rows_of((await mine.get("/users/me/export", params={"format": "mal_xml"})).content)
    assert row == IsPartialDict(
        my_storage="Hard Drive", my_priority="LOW", my_watched_episodes="4", my_score="8"
    )


async def test_the_report_as_csv(importer: Importer, mine: httpx.AsyncClient) -> None:
    job = (await importer.run(mal_file({"mal_id": 77, "title": "A"})))["job"]
    answer = await mine.get(f"{IMPORT}/{job}/report", params={"format": "csv"})
    assert answer.content.decode("utf-8-sig").splitlines() == ["line,title,action,reason", "1,A,added,"]
    job = (await importer.run(mal_file({"mal_id": 78, "title": "=1+1"})))["job"]
    answer = await mine.get(f"{IMPORT}/{job}/report", params={"format": "csv"})
    assert answer.text.splitlines()[1] == "1,'=1+1,added,"


async def test_a_file_may_have_any_name_and_content_may_hold_anything(
    mine: httpx.AsyncClient, importer: Importer
) -> None:
    row = {"target_title": "a\x00b\ud800", "target_id": 7, "target_type": "Anime", "status": "watching"}
    rows = [row, {**row, "target_id": 2**40}, {**row, "target_id": 8, "text": "\x00", "score": "NaN"}]
    content = json.dumps(rows).encode()
    for name in ("a\x00b.json", "\ud800.json", "x" * 5000, "../../etc"):
        files = {"file": (name.encode("utf-8", "replace").decode(), content)}
        assert (await mine.post(IMPORT, files=files)).status_code in (202, 422)
    assert (
        await mine.post(IMPORT, files={"file": ("x", content)}, params={"dry_run": True})
    ).status_code < 500


async def test_a_file_sent_twice_with_one_key_is_one_import(mine: httpx.AsyncClient) -> None:
    answers = [
        await mine.post(
            IMPORT,
            files={"file": ("list.xml", mal_file({"mal_id": 77}))},
            headers={
                "Idempotency-Key": "a-key",
                "Content-Type": "multipart/form-data; boundary=-",
            },
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"
