"""Placeholder pictures of all sites are recognised."""

import gzip
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from app.schemas.domain.anime import UpstreamAnime
from app.schemas.domain.pictures import is_placeholder, sizes_of, stated_sizes
from app.utils.db.database import Database

PLACEHOLDERS = [
    "https://cdn.myanimelist.net/images/qm_50.gif",
    "https://cdn.myanimelist.net/images/qm_50.gif?s=e1ff92a46db617cb83bfc1e205aff620",
    "https://cdn.myanimelist.net/images/questionmark_23.gif?s=f7dcbc4a4603d18356d3dfef8abd655c",
    "https://cdn.myanimelist.net/images/questionmark_50.gif",
    "https://cdn.myanimelist.net/img/sp/icon/apple-touch-icon-256.png",
    "https://myanimelist.net/img/sp/icon/apple-touch-icon-256.png",
    "https://cdn.myanimelist.net/images/company_no_picture.png",
    "https://s4.anilist.co/file/anilistcdn/media/anime/cover/medium/default.jpg",
    "https://s4.anilist.co/file/anilistcdn/media/anime/cover/large/default.png",
    "https://raw.githubusercontent.com/manami-project/anime-offline-database/master/pics/no_pic.png",
    "https://raw.githubusercontent.com/manami-project/anime-offline-database/master/pics/no_pic_thumbnail.png",
    "https://github.com/manami-project/anime-offline-database/raw/master/pics/no_pic.png",
    "https://shikimori.one/assets/globals/missing_original.jpg",
    "https://shikimori.one/assets/globals/missing_x96.jpg?1701405586",
    "https://shikimori.one/assets/globals/missing/main@2x.png",
    "https://kitsu.io/images/default_poster-ee97b1d9f2c04cf35dbd7d0bbd5b6b5e.jpg",
    "https://www.anime-planet.com/inc/img/blank_main.jpg",
    "https://simkl.in/poster_no_pic.png",
    "https://cdn.example.org/img/NO-IMAGE.PNG",
]
PICTURES = [
    "https://cdn.myanimelist.net/images/anime/4/19644.jpg",
    "https://s4.anilist.co/file/anilistcdn/media/anime/cover/medium/bx1-GCsPm7waJ4kS.png",
    "https://s4.anilist.co/file/anilistcdn/media/anime/cover/large/b11673-qmwUbQMw6WjUv.jpg",
    "https://media.kitsu.app/anime/poster_images/1/original.png",
    "https://shikimori.one/system/animes/original/1.jpg",
    "https://img.youtube.com/vi/6ohYYtxfDCg/default.jpg",
    "https://cdn.example.org/missing-link/cover.jpg",
    "https://cdn.example.org/1.jpg?fallback=/images/qm_50.gif",
]


@pytest.mark.parametrize("url", PLACEHOLDERS)
def test_placeholders(url: str) -> None:
    assert is_placeholder(url)


@pytest.mark.parametrize("url", PICTURES)
def test_pictures(url: str) -> None:
    assert not is_placeholder(url)


MAL = "https://cdn.myanimelist.net/images/anime/4/19644"
ANILIST = "https://s4.anilist.co/file/anilistcdn/media/anime/cover"
DERIVED = {
    f"{MAL}.jpg": (f"{MAL}t.jpg", f"{MAL}.jpg", f"{MAL}l.jpg"),
    f"{MAL}l.webp": (f"{MAL}t.webp", f"{MAL}.webp", f"{MAL}l.webp"),
    f"{MAL}t.jpg?s=abc": (f"{MAL}t.jpg", f"{MAL}.jpg", f"{MAL}l.jpg"),
    "https://cdn.myanimelist.net/r/50x74/images/anime/4/19644.jpg?s=abc": (
        f"{MAL}t.jpg",
        f"{MAL}.jpg",
        f"{MAL}l.jpg",
    ),
    "http://myanimelist.cdn-dena.com/images/manga/1/157897.jpg": (
        "http://myanimelist.cdn-dena.com/images/manga/1/157897t.jpg",
        "http://myanimelist.cdn-dena.com/images/manga/1/157897.jpg",
        "http://myanimelist.cdn-dena.com/images/manga/1/157897l.jpg",
    ),
    **{
        f"https://{host}/images/anime/1208/94745l.jpg": (
            f"https://{host}/images/anime/1208/94745t.jpg",
            f"https://{host}/images/anime/1208/94745.jpg",
            f"https://{host}/images/anime/1208/94745l.jpg",
        )
        for host in ("myanimelist.net", "www.myanimelist.net", "api-cdn.myanimelist.net")
    },
    f"{ANILIST}/medium/bx1-GCsPm7waJ4kS.png": (
        f"{ANILIST}/small/bx1-GCsPm7waJ4kS.png",
        f"{ANILIST}/medium/bx1-GCsPm7waJ4kS.png",
        f"{ANILIST}/large/bx1-GCsPm7waJ4kS.png",
    ),
    "https://s4.anilist.co/file/anilistcdn/media/manga/cover/large/bx30013.jpg": (
        "https://s4.anilist.co/file/anilistcdn/media/manga/cover/small/bx30013.jpg",
        "https://s4.anilist.co/file/anilistcdn/media/manga/cover/medium/bx30013.jpg",
        "https://s4.anilist.co/file/anilistcdn/media/manga/cover/large/bx30013.jpg",
    ),
}
NOT_DERIVED = (
    None,
    "https://media.kitsu.app/anime/poster_images/1/original.png",
    "https://cdn.myanimelist.net.evil.example/images/anime/4/19644.jpg",
    "https://evilmyanimelist.net/images/anime/4/19644.jpg",
    "https://evil.example/?https://cdn.myanimelist.net/images/anime/4/19644.jpg",
    "https://cdn.myanimelist.net/images/anime/4/19644.jpg/../x",
    "https://cdn.myanimelist.net/images/userimages/4.jpg",
    "https://anilist.co/anime/1",
    "https://s4.anilist.co/file/anilistcdn/media/anime/banner/1-T3PJUjFJyRwg.jpg",
)


@pytest.mark.parametrize("url", DERIVED)
def test_sizes_follow_from_how_known_hosts_name_their_files(url: str) -> None:
    small, medium, large = DERIVED[url]
    assert sizes_of(url) == {"small": small, "medium": medium, "large": large, "color": None}


@pytest.mark.parametrize("url", NOT_DERIVED)
def test_sizes_of_other_hosts_are_unknown(url: str | None) -> None:
    assert sizes_of(url) == {"small": None, "medium": None, "large": None, "color": None}


async def test_the_database_derives_the_same_sizes(database: Database, shared: Path) -> None:
    with gzip.open(shared / "datasets" / "catalogue.jsonl.gz", "rt", encoding="utf-8") as file:
        real = {row["image_url"] for row in map(json.loads, file)}
    urls = [*DERIVED, *NOT_DERIVED, *sorted(filter(None, real))[::100]]
    async with database.reader() as connection:
        rows = await connection.execute(
            text(
                "select picture_sizes(url) from unnest(cast(:urls as text[]))"
                " with ordinality as u(url, place) order by place"
            ),
            {"urls": urls},
        )
        assert [dict(sizes) for sizes in rows.scalars()] == [sizes_of(url) for url in urls]


def test_stated_sizes_lose_their_placeholders_only() -> None:
    good, bad = PICTURES[0], PLACEHOLDERS[0]
    stated = {"jpg": {"image_url": good, "small_image_url": bad}, "webp": {"large_image_url": good}}
    assert stated_sizes(stated) == {"small": None, "medium": good, "large": good, "color": None}
    assert stated_sizes({"medium": good, "large": bad, "color": "#ffffff"}) == {
        "small": None,
        "medium": good,
        "large": None,
        "color": "#ffffff",
    }
    assert stated_sizes({"jpg": {"image_url": bad, "large_image_url": None}}) is None
    assert stated_sizes(None) is None


def test_stated_values_are_kept_and_missing_ones_derived() -> None:
    assert UpstreamAnime(title="x", image_url=f"{MAL}.jpg").images == sizes_of(f"{MAL}.jpg")
    stated = stated_sizes({"jpg": {"small_image_url": "https://cdn.example.org/s.jpg"}})
    whole = UpstreamAnime(title="x", image_url=f"{MAL}.jpg", images=stated).images
    assert whole == {**sizes_of(f"{MAL}.jpg"), "small": "https://cdn.example.org/s.jpg"}
    assert UpstreamAnime(title="x").images is None, "says nothing, so it erases nothing"


def test_in_the_real_catalogue_exactly_the_shared_pictures_are_placeholders(shared: Path) -> None:
    uses: dict[str, int] = {}
    with gzip.open(shared / "datasets" / "catalogue.jsonl.gz", "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            if url := row["image_url"]:
                uses[url] = uses.get(url, 0) + 1
    assert {url for url, count in uses.items() if count > 5} == set(filter(is_placeholder, uses))


def test_in_recorded_bodies_of_anime_none_is_mistaken(shared: Path) -> None:
    found = 0
    for file in (shared / "upstream" / "jikan").glob("*.json"):
        text = file.read_text("utf-8").replace("\\/", "/")
        for url in re.findall(r"https://cdn\.myanimelist\.net/images/anime/[^\"]+", text):
            assert not is_placeholder(url)
            found += 1
    assert found > 500
