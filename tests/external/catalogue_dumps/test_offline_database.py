"""Rows of the anime-offline-database."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.external.catalogue_dumps import offline_database
from app.external.catalogue_dumps.fields import Notes
from app.schemas.domain.anime import UpstreamAnime, UpstreamStudio, UpstreamTag
from tests.factories.dumps import offline_row


def mapped(**changed: Any) -> UpstreamAnime:
    return offline_database.to_anime(offline_row(1535, 21) | changed, Notes())


def test_every_field_arrives() -> None:
    anime = mapped(
        title="Notebook",
        synonyms=["ノート", "Тетрадь", "Notebook"],
        studios=["third window"],
        tags=[
            "mystery",
            "shounen",
            "psychological",
            "space opera",
            "thriller",
            "male protagonist",
            "Mystery",
        ],
    )

    assert anime == UpstreamAnime(
        title="Notebook",
        mal_id=1535,
        anilist_id=21,
        synonyms=("ノート", "Тетрадь"),
        type="TV",
        status="finished",
        season="spring",
        year=2014,
        episodes=12,
        duration_minutes=24.0,
        score=7.5,
        image_url="https://cdn.example.org/1.webp",
        tags=(
            UpstreamTag("genre", "Mystery", 7),
            UpstreamTag("demographic", "Shounen", 27),
            UpstreamTag("theme", "Psychological", 40),
            UpstreamTag("genre", "Suspense", 41),
        ),
        studios=(UpstreamStudio("third window"),),
    )


def test_placeholders_are_none() -> None:
    anime = mapped(
        type="UNKNOWN",
        status="UNKNOWN",
        episodes=0,
        animeSeason={"season": "UNDEFINED"},
        duration=None,
        score=None,
        picture="https://raw.githubusercontent.com/manami-project/anime-offline-database/master/pics/no_pic.png",
    )

    assert anime == UpstreamAnime(title="Title 1535", mal_id=1535, anilist_id=21)


@pytest.mark.parametrize(
    ("field", "theirs", "attribute", "ours"),
    [
        ("type", "MOVIE", "type", "Movie"),
        ("type", "OVA", "type", "OVA"),
        ("type", "ONA", "type", "ONA"),
        ("type", "SPECIAL", "type", "Special"),
        ("status", "ONGOING", "status", "airing"),
        ("status", "UPCOMING", "status", "upcoming"),
        ("animeSeason", {"season": "FALL", "year": 2006}, "season", "fall"),
        ("animeSeason", {"season": "WINTER"}, "year", None),
        ("duration", {"value": 30, "unit": "SECONDS"}, "duration_minutes", 0.5),
        ("duration", {"value": 90, "unit": "MINUTES"}, "duration_minutes", 90.0),
        ("duration", {"value": 2, "unit": "HOURS"}, "duration_minutes", 120.0),
        ("score", {"median": 6.666}, "score", 6.67),
        ("tags", ["hentai"], "is_adult", True),
        ("tags", ["science fiction"], "tags", (UpstreamTag("genre", "Sci-Fi", 24),)),
        ("tags", ["magical girl"], "tags", (UpstreamTag("theme", "Mahou Shoujo", 66),)),
    ],
)
def test_values_are_translated(field: str, theirs: Any, attribute: str, ours: Any) -> None:
    with capture_logs() as logs:
        anime = mapped(**{field: theirs})

    assert getattr(anime, attribute) == ours
    assert logs == []


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["https://myanimelist.net/anime/7"], (7, None)),
        (["https://anilist.co/anime/8"], (None, 8)),
        (["http://www.myanimelist.net/anime/7/Name", "https://anilist.co/anime/8?x=1"], (7, 8)),
        (["https://myanimelist.net/anime/9", "https://myanimelist.net/anime/7"], (9, None)),
        (["https://evil.example/https://myanimelist.net/anime/7", "https://anilist.co/anime/8"], (None, 8)),
        (["https://myanimelist.net/manga/7", "https://anilist.co/anime/8"], (None, 8)),
    ],
)
def test_ids_are_read_from_addresses(sources: list[str], ids: tuple[int | None, int | None]) -> None:
    anime = mapped(sources=sources)

    assert (anime.mal_id, anime.anilist_id) == ids


def test_several_ids_of_a_site_are_logged_once() -> None:
    notes = Notes()
    with capture_logs() as logs:
        for number in (5, 6):
            sources = [f"https://myanimelist.net/anime/{number}", "https://myanimelist.net/anime/7"]
            offline_database.to_anime(offline_row() | {"sources": sources}, notes)

    assert [log["event"] for log in logs] == ["dump.several_ids"]


def test_unknown_values_are_dropped_and_logged() -> None:
    with capture_logs() as logs:
        anime = mapped(type="HOLOGRAM", status="LOST")

    assert (anime.type, anime.status) == (None, None)
    assert [log["word"] for log in logs] == ["HOLOGRAM", "LOST"]
