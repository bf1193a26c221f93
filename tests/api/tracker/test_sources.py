"""Title suggestions: AniList's and MangaDex's, the catalogue's while they are down, and totals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from dirty_equals import IsPartialDict

from app.config import Settings
from app.container import Container, build
from app.external.mangadex.client import map_manga
from app.main import create_app
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.accounts import make_account
from tests.standin.anilist import API, AniListStandin, failure

MANGADEX = "http://mangadex.test"
MANGA = {
    "id": "a-uuid", "type": "manga",
    "attributes": {"title": {"ja-ro": "Yotsuba to!"}, "altTitles": [], "links": {"al": "30104", "mal": "104"},
                   "lastChapter": "117.5"},
    "relationships": [{"id": "1", "type": "author"},
                      {"id": "2", "type": "cover_art", "attributes": {"fileName": "cover.png"}}],
}  # fmt: skip
DUMP = [
    {"mal_id": 13, "title": "One Piece", "type": "Manga", "synonyms": ["OP"], "members": 9, "chapters": None},
    {"mal_id": 14, "title": "One Punch", "type": None, "synonyms": [], "members": 5},
    {
        "anilist_id": 15,
        "title": "Solo Leveling",
        "type": "Manhwa",
        "synonyms": ["나 혼자만 레벨업"],
        "chapters": 201,
    },
]


class Upstreams:
    """AniList and MangaDex; MangaDex returns what the test sets."""

    def __init__(self) -> None:
        self.anilist = AniListStandin()
        self.asked: list[httpx.URL] = []
        self.mangadex: Any = {"result": "ok", "data": [MANGA, {"id": None}, "x"]}
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "mangadex.test":
            return self.anilist(request)
        self.asked.append(request.url)
        return httpx.Response(self.status, json=self.mangadex)


@pytest.fixture
def upstreams() -> Upstreams:
    return Upstreams()


@pytest.fixture
async def services(settings: Settings, database: Database, upstreams: Upstreams) -> AsyncIterator[Container]:
    settings = settings.model_copy(update={"anilist_base_url": API, "mangadex_base_url": MANGADEX})
    async with build(settings, db=database, transport=httpx.MockTransport(upstreams)) as container:
        yield container


@pytest.fixture
async def me(settings: Settings, services: Container) -> AsyncIterator[httpx.AsyncClient]:
    user = await make_account(services)
    transport = httpx.ASGITransport(app=create_app(settings, container=services))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=user.headers
    ) as client:
        yield client


async def load(services: Container, tmp_path: Path, rows: list[dict[str, Any]]) -> Any:
    path = tmp_path / "dump.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return await services.catalogue.dumps.run(path)


async def get(me: httpx.AsyncClient, path: str, **query: str) -> Any:
    answer = await me.get(f"/api/sources/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_sources_are_listed(me: httpx.AsyncClient) -> None:
    for path in ("/api/sources/", "/api/sources"):
        assert (await me.get(path)).json() == [
            {"id": "anilist", "name": "AniList", "type": "both"},
            {"id": "mangadex", "name": "MangaDex", "type": "manga"},
        ]
    assert (await me.get("/api/sources/", headers={"Authorization": ""})).status_code == 401


async def test_anilist_suggests_and_is_asked_once(me: httpx.AsyncClient, upstreams: Upstreams) -> None:
    for number in range(1, 12):
        upstreams.anilist.know(number, type="MANGA", total=number, mal_id=100 + number)
    found = await get(me, "autocomplete", q="title")
    assert len(found) == 8
    assert found[0] == IsPartialDict(
        id="1",
        title="Title 1",
        type="manga",
        source="anilist",
        chapters=1,
        episodes=None,
        anilist_id=1,
        mal_id=101,
    )
    assert await get(me, "autocomplete", q="  TITLE ", type="MANGA") == found
    assert await get(me, "autocomplete", q="t") == []
    assert len(upstreams.anilist.asked) == 1
    for bad in ({}, {"q": "x" * 101}, {"q": "\x00ab"}, {"q": "ab", "type": "film"}):
        assert (await me.get("/api/sources/autocomplete", params=bad)).status_code == 422


async def test_the_catalogue_suggests_while_anilist_is_away(
    me: httpx.AsyncClient, services: Container, upstreams: Upstreams, tmp_path: Path
) -> None:
    counts = await load(services, tmp_path, DUMP)
    assert (counts.added, counts.updated, counts.unchanged, counts.failed) == (3, 0, 0, 0)
    again = await load(services, tmp_path, [*DUMP[:2], {**DUMP[2], "chapters": 202}])
    assert (again.added, again.updated, again.unchanged) == (0, 1, 2)
    await load(services, tmp_path, [{"mal_id": 21, "title": "One Piece", "type": "TV", "episodes": 1100}])
    for answer in (failure(500, "down"), failure(403, "off"), httpx.Response(200, json={"errors": [{}]})):
        upstreams.anilist.answer = lambda *_, answer=answer: httpx.Response(
            answer.status_code, content=answer.content, headers=answer.headers
        )
        found = await get(me, "autocomplete", q="one p")
        assert [(one["title"], one["source"]) for one in found] == [
            ("One Piece", "catalogue"), ("One Punch", "catalogue"),
        ]  # fmt: skip
    assert [one["mal_id"] for one in await get(me, "autocomplete", q="one piece", type="anime")] == [21]
    assert [one["title"] for one in await get(me, "search", q="나 혼자만 레벨업")] == ["Solo Leveling"]
    both = await get(me, "search", q="one piece")
    assert [(one["type"], one["episodes"]) for one in both] == [("anime", 1100), ("manga", None)]


async def test_a_total_comes_from_the_list_then_the_catalogue_then_anilist(
    me: httpx.AsyncClient, services: Container, upstreams: Upstreams, tmp_path: Path
) -> None:
    upstreams.anilist.know(5, total=24)
    await load(services, tmp_path, [{"mal_id": 1, "title": "Bebop", "type": "TV", "episodes": 26}])
    assert await get(me, "max", q="bebop", type="anime") == {"max": 26}
    item = {"title": "Mine", "type": "manga", "source": "manual", "max_progress": 7}
    await me.post("/api/library/items", json=item)
    assert await get(me, "max", q="MINE") == {"max": 7}
    await load(services, tmp_path, DUMP)
    for name in ("SOLO LEVELING", "나 혼자만 레벨업"):
        assert await get(me, "max", q=name) == {"max": 201}
    assert upstreams.anilist.asked == []
    assert await get(me, "max", q="Title 5", type="anime") == {"max": 24}
    assert await get(me, "max", q="nothing at all", type="anime") == {"max": None}
    upstreams.anilist.answer = lambda *_: failure(500, "down")
    assert await get(me, "max", q="something else", type="anime") == {"max": None}


async def test_mangadex_is_searched(me: httpx.AsyncClient, upstreams: Upstreams) -> None:
    found = await get(me, "mangadex/search", q="yotsuba & [x]")
    assert found == [
        {"id": "a-uuid", "title": "Yotsuba to!", "type": "manga", "source": "mangadex",
         "cover_url": "https://uploads.mangadex.org/covers/a-uuid/cover.png.256.jpg", "chapters": 117,
         "episodes": None, "anime_id": None, "anilist_id": 30104, "mal_id": 104, "format": None,
         "site_url": "https://mangadex.org/title/a-uuid"},
    ]  # fmt: skip
    assert upstreams.asked[0].path == "/manga"
    assert upstreams.asked[0].params["title"] == "yotsuba & [x]"
    for status in (404, 503):
        upstreams.status = status
        answer = await me.get("/api/sources/mangadex/search", params={"q": "another"})
        assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_ERROR"), status


def test_recorded_manga_are_understood(shared: Path) -> None:
    """All recordings, including PHP's empty arrays in place of objects."""
    seen = 0
    for path in sorted((shared / "upstream" / "mangadex").glob("*.json")):
        document = orjson.loads(path.read_bytes())
        rows = document.get("data") if isinstance(document, dict) else document
        for row in rows if isinstance(rows, list) else [rows]:
            if (
                isinstance(row, dict)
                and row.get("type") == "manga"
                and row.get("attributes", {}).get("title")
            ):
                seen += 1
                mapped = map_manga(row)
                assert mapped is not None
                assert mapped.title
    assert seen > 100


async def test_operators_fill_in_totals_and_see_how_the_cache_does(
    me: httpx.AsyncClient, services: Container, upstreams: Upstreams
) -> None:
    upstreams.anilist.know(30, type="MANGA", mal_id=300, total=12)
    upstreams.anilist.know(31, mal_id=310, total=5)
    for item in (
        {"title": "By id", "type": "manga", "anilist_id": 30},
        {"title": "By the other id", "type": "anime", "mal_id": 310, "progress": 9},
        {"title": "Mine", "type": "manga", "mal_id": 300, "max_progress": 3},
        {"title": "Nobody's", "type": "manga"},
    ):
        assert (await me.post("/api/library/items", json={**item, "source": "manual"})).status_code == 200
    assert (await me.post("/api/anilist/backfill")).status_code == 403
    admin = await make_account(services, role="admin")
    queued = await me.post("/api/anilist/backfill", headers=admin.headers)
    assert queued.status_code == 202
    await services.jobs.run(queued.json()["job_id"], performer(services))
    items = {item["title"]: item for item in (await me.get("/api/library/items")).json()}
    assert items["By id"] == IsPartialDict(max_progress=12, anilist_id=30)
    assert items["By the other id"] == IsPartialDict(max_progress=None, anilist_id=31, progress=9)
    assert items["Mine"] == IsPartialDict(max_progress=3, anilist_id=None), "another entry has that id"
    assert items["Nobody's"] == IsPartialDict(max_progress=None, anilist_id=None)
    await get(me, "autocomplete", q="title")
    await get(me, "autocomplete", q="title")
    stats = (await me.get("/api/anilist/stats", headers=admin.headers)).json()
    assert stats == {"hits": 1, "misses": 1, "hit_rate": 0.5}
    assert (await me.get("/api/anilist/stats")).status_code == 403
