"""What a file may change in an existing entry, and how the report describes it."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.importing import Importer, counts

KNOWN = {
    "status": "completed", "score": 8.5, "progress": 26, "rewatch_count": 2, "started_at": "2015-03-01",
    "finished_at": "2015-04-02", "notes": "mine", "tags": ["a", "b"], "is_private": True,
}  # fmt: skip
SAYS_NOTHING = (
    "<my_score>0</my_score><my_start_date>0000-00-00</my_start_date><my_finish_date>0000-00-00</my_finish_date>"
    "<my_comments></my_comments><my_tags></my_tags><my_times_watched>0</my_times_watched>"
    "<my_rewatching>0</my_rewatching>"
)


def mal(inner: str, mal_id: int = 1) -> bytes:
    row = f"<series_animedb_id>{mal_id}</series_animedb_id><series_title>Cowboy Bebop</series_title>{inner}"
    return f"<myanimelist><anime>{row}</anime></myanimelist>".encode()


def rated(**said: Any) -> bytes:
    row = {"target_title": "Cowboy Bebop", "target_id": 1, "target_type": "Anime", "status": "completed"}
    return orjson.dumps([{**row, "rewatches": 0, **said}])


async def add(mine: httpx.AsyncClient, anime_id: int, **fields: Any) -> dict[str, Any]:
    answer = await mine.post("/users/me/list", json={"anime_id": anime_id, **KNOWN, **fields})
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


@pytest.mark.parametrize(
    "content",
    [
        mal(f"<my_status>Completed</my_status><my_watched_episodes>0</my_watched_episodes>{SAYS_NOTHING}"),
        mal(f"<my_status>Completed</my_status><my_watched_episodes>26</my_watched_episodes>{SAYS_NOTHING}"),
        mal(""),
        mal(
            "<my_status>Avoiding</my_status><my_score>-</my_score><my_watched_episodes>?</my_watched_episodes>"
        ),
        mal("<my_status>Completed</my_status><my_start_date>2015-03-00</my_start_date>"),
        mal("<my_status>Completed</my_status><my_score>9</my_score>"),
        rated(score=0, episodes=0, text=""),
        rated(score=None, episodes=None, text=None),
    ],
)
async def test_missing_values_erase_nothing(
    importer: Importer, mine: httpx.AsyncClient, bebop: int, content: bytes
) -> None:
    before = await add(mine, bebop)
    report = await importer.run(content)
    assert counts(report) == (0, 0, 1, 0, 0)
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == before


async def test_values_of_the_file_are_previewed_and_applied(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    await add(mine, bebop, status="watching", progress=5, finished_at=None)
    content = mal(
        "<my_status>Completed</my_status><my_watched_episodes>26</my_watched_episodes><my_score>6</my_score>"
        "<my_finish_date>2016-01-02</my_finish_date><my_tags>c</my_tags><my_comments>theirs</my_comments>"
        "<my_times_watched>3</my_times_watched><my_priority>HIGH</my_priority>"
    )
    [row] = (await importer.send(content, dry_run=True)).json()["rows"]
    assert row == {
        "line": 1, "title": "Cowboy Bebop", "action": "updated", "reason": None, "media_type": "anime",
        "anime_id": bebop, "matched": True,
        "changes": {
            "status": ["watching", "completed"], "progress": [5, 26], "score": [8.5, 6.0],
            "finished_at": [None, "2016-01-02"], "tags": [["a", "b"], ["c"]], "notes": ["mine", "theirs"],
            "rewatch_count": [2, 3], "my_priority": [None, "HIGH"],
        },
    }  # fmt: skip
    report = await importer.run(content)
    assert report["rows"] == [row]
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == IsPartialDict(
        status="completed", progress=26, score=6.0, tags=["c"], notes="theirs", is_private=True
    )
    assert counts(await importer.run(content)) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("content", "parameters", "after"),
    [
        (rated(status="watching", episodes=3), {}, {"status": "completed", "progress": 26}),
        (rated(status="planned", episodes=0), {}, {"status": "completed", "progress": 26}),
        (rated(status="completed", episodes=3, rewatches=1), {}, {"progress": 26, "rewatch_count": 2}),
        (
            rated(status="rewatching", episodes=3),
            {},
            {"status": "watching", "progress": 3, "rewatch_count": 2},
        ),
        (rated(status="rewatching", episodes=0), {}, {"progress": 26, "is_rewatching": True}),
        (rated(status="watching", episodes=3), {"mode": "replace"}, {"status": "watching", "progress": 3}),
        (rated(status="completed", episodes=26, rewatches=1), {"mode": "replace"}, {"rewatch_count": 1}),
        (
            rated(status="planned", episodes=0),
            {"mode": "replace"},
            {"status": "plan_to_watch", "progress": 0},
        ),
        (
            rated(status="completed"),
            {"mode": "replace"},
            {"progress": 26, "rewatch_count": 2, "notes": "mine"},
        ),
    ],
)
async def test_progress_decreases_only_for_rewatches_or_on_request(
    importer: Importer,
    mine: httpx.AsyncClient,
    bebop: int,
    content: bytes,
    parameters: dict[str, str],
    after: dict[str, Any],
) -> None:
    await add(mine, bebop)
    await importer.run(content, **parameters)
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == IsPartialDict(after)
    assert counts(await importer.run(content, **parameters)) == (0, 0, 1, 0, 0)


async def test_kept_values_are_reported(importer: Importer, mine: httpx.AsyncClient, bebop: int) -> None:
    await add(mine, bebop, status="watching", progress=20)
    report = await importer.run(rated(status="dropped", episodes=3))
    assert report["rows"][0]["reason"] == "progress 3 is less than ours: 20 is kept"
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == IsPartialDict(status="dropped", progress=20)


async def test_a_rewatch_ends_when_the_file_says_so(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    await add(mine, bebop, status="watching", is_rewatching=True, progress=4)
    await importer.run(rated(status="watching", episodes=6))
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == IsPartialDict(is_rewatching=True, progress=6)
    await importer.run(rated(status="completed", episodes=26, rewatches=3))
    assert (await mine.get(f"/users/me/list/{bebop}")).json() == IsPartialDict(
        is_rewatching=False, status="completed", rewatch_count=3
    )


async def test_values_beyond_the_limits_are_cut_and_reported(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    tags = ",".join([f"{number}" for number in range(55)] + ["t" * 1_001])
    content = mal(
        f"<my_comments>{'n' * 2_000_000}</my_comments><my_tags>{tags}</my_tags>"
        "<my_watched_episodes>100001</my_watched_episodes><my_times_watched>20000</my_times_watched>"
        f"<my_storage>{'s' * 5_000}</my_storage>"
    )
    [row] = (await importer.run(content))["rows"]
    assert row["action"] == "added"
    for told in (
        "notes",
        "tag is longer",
        "56 tags",
        "progress 100001",
        "rewatches 20000",
        "my_storage is longer",
    ):
        assert told in row["reason"]
    entry = (await mine.get(f"/users/me/list/{bebop}")).json()
    assert (entry["progress"], entry["rewatch_count"], len(entry["notes"])) == (100_000, 10_000, 10_000)
    assert entry["tags"] == [f"{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("name", "parameters", "rows"),
    [
        ("01_mal_dates_not_whole.xml", {}, 3),
        ("03_anilist_manga_untyped.json", {}, 1),
        ("04_kitsu_include_media.json", {}, 1),
        ("05_mal_api_bad_row.json", {}, 1),
        ("06_unescaped_ampersand.xml", {}, 2),
        ("07_unknown_status.xml", {}, 1),
        ("09_shikimori_empty.json", {}, 0),
        ("anitransfer_convert_2020.xml", {}, 292),
        ("mal_anime_2020_anitransfer.xml", {}, 502),
        ("mal_anime_superpoupette.xml", {}, 269),
        ("mal_jareb.xml", {}, 245),
        ("prusilusk_mal_anime.xml", {}, 366),
        ("prusilusk_mal_manga.xml", {}, 47),
        ("snowie_anilist_manga.json", {}, 144),
        ("snowie_anilist_manga.json", {"type": "manga"}, 144),
    ],
)
async def test_files_of_past_bugs_are_imported_completely_and_once(
    importer: Importer, shared: Path, name: str, parameters: dict[str, str], rows: int
) -> None:
    path = shared / "inputs" / name
    if not path.exists():
        pytest.skip(f"there is no {name} among the shared material")
    content = path.read_bytes()
    report = await importer.run(content, **parameters)
    assert counts(report) == (rows, 0, 0, 0, 0)
    assert {row["media_type"] for row in report["rows"]} <= {"manga" if "manga" in name else "anime"}
    assert all(row["title"] for row in report["rows"])
    assert counts(await importer.run(content, **parameters)) == (0, 0, rows, 0, 0)


async def test_a_manga_is_never_linked_by_an_id_of_an_anime(
    importer: Importer, mine: httpx.AsyncClient, shared: Path, database: Database
) -> None:
    content = (shared / "inputs/snowie_anilist_manga.json").read_bytes()
    media = [
        entry["mediaId"]
        for one in orjson.loads(content)["data"]["MediaListCollection"]["lists"]
        for entry in one["entries"]
    ]
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into anime (anilist_id, mal_id, title) "
                "select id, id, 'A' || id from unnest(cast(:ids as int[])) id"
            ),
            {"ids": media},
        )
    report = await importer.run(content)
    assert not any(row["matched"] for row in report["rows"])
    assert (await mine.get("/users/me/list")).json() == []
    items = await mine.get("/api/library/items", params={"type": "manga"})
    assert len(items.json()) == 144


async def test_a_file_without_a_kind_is_rejected_until_it_is_stated(
    importer: Importer, mine: httpx.AsyncClient, bebop: int
) -> None:
    content = (Path(__file__).parents[2] / "samples/lists/anilist_no_kind.json").read_bytes()
    for parameters in ({}, {"dry_run": True}):
        answer = await importer.send(content, **parameters)
        assert answer.status_code == 422
        assert "?type=" in answer.json()["message"]
    assert counts(await importer.run(content, type="manga")) == (1, 0, 0, 0, 0)
    assert (await mine.get("/users/me/list")).json() == []
    assert (await importer.run(content, type="anime"))["rows"][0]["anime_id"] == bebop
    assert (await importer.send(content, type="novel")).status_code == 422
    assert (await importer.send(content, mode="overwrite")).status_code == 422
