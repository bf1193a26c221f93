"""Placeholder pictures of all sites are recognised."""

import gzip
import json
import re
from pathlib import Path

import pytest

from app.schemas.domain.pictures import is_placeholder, real_pictures

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


def test_an_object_of_pictures_loses_its_placeholders_only() -> None:
    good, bad = PICTURES[0], PLACEHOLDERS[0]
    assert real_pictures({"jpg": {"a": good, "b": bad}, "webp": {"a": bad}}) == {
        "jpg": {"a": good, "b": None},
        "webp": {"a": None},
    }
    assert real_pictures({"jpg": {"a": bad, "b": None}}) is None
    assert real_pictures(None) is None


def test_in_the_real_catalogue_what_many_titles_share_is_a_placeholder_and_nothing_else(shared: Path) -> None:
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
