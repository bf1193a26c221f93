"""Rows of AniSync's own dump format."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.external.catalogue_dumps import own
from app.external.catalogue_dumps.fields import Notes
from app.schemas.domain.anime import UpstreamAnime, UpstreamStudio, UpstreamTag

WHOLE = {
    "mal_id": 1,
    "anilist_id": 11,
    "title": " Kaze no Machi ",
    "title_english": "Town of Wind",
    "title_japanese": "風の町",
    "title_russian": "Город ветра",
    "synonyms": ["KnM", "KnM", " ", "Windtown"],
    "type": "TV",
    "episodes": 26,
    "status": "Finished Airing",
    "season": "spring",
    "year": 1998,
    "score": 6.509999194911844,
    "scored_by": 1000,
    "members": 2000,
    "genres": ["Action", "Sci-Fi", "Unheard Of"],
    "themes": ["Space", "Music"],
    "demographics": ["Seinen"],
    "studios": ["Paperboat", "Third Window "],
    "synopsis": "A town.\n\nAnd wind.",
    "image_url": "https://cdn.example.org/1.jpg",
    "aired_from": "1998-04-03",
    "aired_to": "1999-04",
    "rank": 49,
    "popularity": 41,
    "source_material": "4 koma manga",
    "rating": "R - 17+ (violence & profanity)",
    "duration": "24 min per ep",
    "nsfw": False,
    "in_mal_2026": True,
    "source": ["somebody-2026"],
}


def mapped(**changed: Any) -> UpstreamAnime:
    return own.to_anime(WHOLE | changed, Notes())


def test_every_field_arrives() -> None:
    assert mapped() == UpstreamAnime(
        title="Kaze no Machi",
        mal_id=1,
        anilist_id=11,
        title_english="Town of Wind",
        title_japanese="風の町",
        title_russian="Город ветра",
        synonyms=("KnM", "Windtown"),
        type="TV",
        source="4-koma manga",
        status="finished",
        season="spring",
        year=1998,
        episodes=26,
        duration_minutes=24.0,
        rating="R - 17+ (violence & profanity)",
        score=6.51,
        scored_by=1000,
        rank=49,
        popularity=41,
        members=2000,
        synopsis="A town.\n\nAnd wind.",
        image_url="https://cdn.example.org/1.jpg",
        aired_from="1998-04-03",
        aired_to="1999-04",
        is_adult=False,
        tags=(
            UpstreamTag("genre", "Action", 1),
            UpstreamTag("genre", "Sci-Fi", 24),
            UpstreamTag("genre", "Unheard Of"),
            UpstreamTag("theme", "Space", 29),
            UpstreamTag("theme", "Music", 19),
            UpstreamTag("demographic", "Seinen", 42),
        ),
        studios=(UpstreamStudio("Paperboat"), UpstreamStudio("Third Window")),
    )


def test_missing_fields_are_none() -> None:
    row = dict.fromkeys(WHOLE) | {"title": "A", "anilist_id": 3}

    assert own.to_anime(row, Notes()) == own.to_anime({"title": "A", "anilist_id": 3}, Notes())
    assert own.to_anime(row, Notes()) == UpstreamAnime(title="A", anilist_id=3)


@pytest.mark.parametrize(
    ("field", "theirs", "attribute", "ours"),
    [
        ("status", "Finished Airing", "status", "finished"),
        ("status", "Currently Airing", "status", "airing"),
        ("status", "Not yet aired", "status", "upcoming"),
        ("status", "Cancelled", "status", "finished"),
        ("status", "CANCELLED", "status", "finished"),
        ("status", "RELEASING", "status", "airing"),
        ("status", "HIATUS", "status", "airing"),
        ("status", "NOT_YET_RELEASED", "status", "upcoming"),
        ("season", "autumn", "season", "fall"),
        ("season", "FALL", "season", "fall"),
        ("type", "movie", "type", "Movie"),
        ("type", "TV Special", "type", "TV Special"),
        ("type", "TV_SHORT", "type", "TV"),
        ("rating", "g", "rating", "G - All Ages"),
        ("rating", "pg", "rating", "PG - Children"),
        ("rating", "pg_13", "rating", "PG-13 - Teens 13 or older"),
        ("rating", "r", "rating", "R - 17+ (violence & profanity)"),
        ("rating", "r+", "rating", "R+ - Mild Nudity"),
        ("rating", "rx", "rating", "Rx - Hentai"),
        ("rating", "None", "rating", None),
        ("source_material", "Source inconnue", "source", None),
        ("source_material", "Unknown", "source", None),
        ("source_material", "LIGHT_NOVEL", "source", "Light novel"),
        ("duration", 24, "duration_minutes", 24.0),
        ("duration", 0, "duration_minutes", None),
        ("duration", "1 hr 55 min", "duration_minutes", 115.0),
        ("duration", "30 sec per ep", "duration_minutes", 0.5),
        ("duration", "Unknown", "duration_minutes", None),
        ("score", 0, "score", None),
        ("score", 10, "score", 10.0),
        ("episodes", 0, "episodes", None),
        ("episodes", 12.0, "episodes", 12),
        ("scored_by", 0, "scored_by", 0),
        ("rank", 0, "rank", None),
        ("year", 0, "year", None),
        ("aired_from", "2017", "aired_from", "2017"),
        ("aired_from", "2017-00-00", "aired_from", "2017"),
        ("aired_from", "2017-10-05T00:00:00+00:00", "aired_from", "2017-10-05"),
        ("image_url", "javascript:alert(1)", "image_url", None),
        ("nsfw", True, "is_adult", True),
    ],
)
def test_values_are_translated(field: str, theirs: Any, attribute: str, ours: Any) -> None:
    with capture_logs() as logs:
        anime = mapped(**{field: theirs})

    assert getattr(anime, attribute) == ours
    assert logs == []


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("status", "status"),
        ("season", "season"),
        ("type", "type"),
        ("rating", "rating"),
        ("source_material", "source"),
        ("duration", "duration_minutes"),
        ("aired_from", "aired_from"),
    ],
)
def test_unknown_values_are_logged_once_and_dropped(field: str, attribute: str) -> None:
    notes = Notes()
    with capture_logs() as logs:
        found = [own.to_anime(WHOLE | {field: word}, notes) for word in ("wobbly", "wobbly", "shaky")]

    assert [getattr(anime, attribute) for anime in found] == [None] * 3
    assert [(log["event"], log["word"]) for log in logs] == [
        ("dump.unknown_value", "wobbly"),
        ("dump.unknown_value", "shaky"),
    ]
