"""Mapping of Jikan's data: cases that recordings lack, and malformed bodies."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.external.jikan.mapping import MappingError, map_anime
from app.schemas.domain.anime import ANIME_TYPES, UpstreamAnime, UpstreamStudio, UpstreamTag
from app.schemas.domain.pictures import sizes_of
from app.schemas.domain.relations import UpstreamRelation
from tests.standin.synthetic import LAST_ID, make_anime


def mapped(**fields: Any) -> UpstreamAnime:
    return map_anime({"mal_id": 5, "title": "Bebop", **fields})


def aired(
    text: str | None, begin: str | None = None, end: str | None = None
) -> tuple[str | None, str | None]:
    anime = mapped(aired={"from": begin, "to": end, "string": text})
    return anime.aired_from, anime.aired_to


@pytest.mark.parametrize(
    ("text", "begin", "end", "stated"),
    [
        ("2024 to ?", "2024-01-01T00:00:00+00:00", None, ("2024", None)),
        ("Jan 2024 to ?", "2024-01-01T00:00:00+00:00", None, ("2024-01", None)),
        ("Jan 1, 2024 to ?", "2024-01-01T00:00:00+00:00", None, ("2024-01-01", None)),
        ("Jun 24, 2016", "2016-06-24T00:00:00+00:00", None, ("2016-06-24", None)),
        ("1963 to 1966", "1963-01-01T00:00:00+00:00", "1966-01-01T00:00:00+00:00", ("1963", "1966")),
        ("Apr 2001 to May 5, 2002", None, None, ("2001-04", "2002-05-05")),
        ("? to Mar 2020", None, "2020-03-01T00:00:00+00:00", (None, "2020-03")),
        ("Not available", None, None, (None, None)),
        ("September 3, 1999", None, None, ("1999-09-03", None)),
        ("Feb 30, 2020", None, None, ("2020-02", None)),
        ("Summer 2024", "2024-01-01T00:00:00+00:00", None, ("2024", None)),
        (None, "2011-05-07T00:00:00+00:00", "2011-06-01T00:00:00+00:00", ("2011-05-07", "2011-06-01")),
        (None, None, None, (None, None)),
        ("soon", "nonsense", None, (None, None)),
    ],
)
def test_dates(text: str | None, begin: str | None, end: str | None, stated: tuple[Any, Any]) -> None:
    assert aired(text, begin, end) == stated


def test_dates_fall_back_to_their_components() -> None:
    parts = {
        "from": {"day": None, "month": 4, "year": 2019},
        "to": {"day": None, "month": None, "year": None},
    }
    assert mapped(aired={"from": "2019-04-01T00:00:00+00:00", "prop": parts}).aired_from == "2019-04"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1 hr 52 min", 112),
        ("24 min per ep", 24),
        ("30 sec", 0.5),
        ("2 hr", 120),
        ("Unknown", None),
        (24, None),
    ],
)
def test_lengths(text: object, minutes: float | None) -> None:
    assert mapped(duration=text).duration_minutes == minutes


def test_titles_without_votes_have_no_score() -> None:
    anime = mapped(score=0, scored_by=0, rank=0, popularity=0, members=0, episodes=0)
    assert (anime.score, anime.scored_by, anime.rank, anime.popularity, anime.members, anime.episodes) == (
        None,
    ) * 6


@pytest.mark.parametrize("score", [0.0, -1, 11, True, "8.1", float("nan"), float("inf"), None])
def test_a_score_is_a_number_up_to_ten(score: object) -> None:
    assert mapped(score=score).score is None


@pytest.mark.parametrize("value", [2**31, -4, True, "12", 12.5, [], None])
def test_out_of_range_numbers_are_none(value: object) -> None:
    anime = mapped(episodes=value, members=value, rank=value)
    assert (anime.episodes, anime.members, anime.rank) == (None, None, None)


def test_unknown_values_are_none() -> None:
    anime = mapped(
        status="Exploding",
        season="monsoon",
        type="Hologram",
        rating="None",
        source="Unknown",
        synopsis="None",
    )
    assert (anime.status, anime.season, anime.type, anime.rating, anime.source, anime.synopsis) == (None,) * 6


def test_known_values_are_translated() -> None:
    anime = mapped(status="Currently Airing", season="fall", type="TV Special", rating="Rx - Hentai")
    assert (anime.status, anime.season, anime.type) == ("airing", "fall", "TV Special")
    assert (anime.rating, anime.is_adult) == ("Rx - Hentai", True)


@pytest.mark.parametrize("mal_id", [12, 49])
def test_explicit_genres_are_genres_and_make_a_title_adult(mal_id: int) -> None:
    anime = mapped(explicit_genres=[{"mal_id": mal_id, "name": "Explicit"}], rating="R+ - Mild Nudity")
    assert anime.tags == (UpstreamTag("genre", "Explicit", mal_id),)
    assert anime.is_adult is True


def test_an_unrated_title_is_not_marked_as_safe() -> None:
    assert mapped().is_adult is None
    assert mapped(rating="G - All Ages").is_adult is False


def test_placeholders_are_no_pictures() -> None:
    placeholder = "https://cdn.myanimelist.net/images/questionmark_23.gif"
    icon = "https://cdn.myanimelist.net/img/sp/icon/apple-touch-icon-256.png"
    sizes = {"image_url": placeholder, "small_image_url": icon, "large_image_url": placeholder}
    anime = mapped(images={"jpg": sizes, "webp": sizes})
    assert (anime.images, anime.image_url) == (None, None)
    real = "https://cdn.myanimelist.net/images/anime/4/19644.jpg"
    anime = mapped(images={"jpg": {"image_url": real}})
    assert anime.image_url == real
    assert anime.images == sizes_of(real)
    hosted = "https://cdn.example.org/1.webp"
    anime = mapped(images={"jpg": {"image_url": placeholder}, "webp": {"small_image_url": hosted}})
    assert anime.image_url == hosted
    assert anime.images == {"small": hosted, "medium": None, "large": None, "color": None}


def test_newer_trailers_carry_only_the_embedded_form() -> None:
    embedded = "https://www.youtube-nocookie.com/embed/ZEkwCGJ3o7M?autoplay=1"
    assert mapped(trailer={"url": None, "youtube_id": None, "embed_url": embedded}).trailer_url == embedded
    by_id = mapped(trailer={"url": None, "youtube_id": "ZEkwCGJ3o7M", "embed_url": embedded}).trailer_url
    assert by_id == "https://www.youtube.com/watch?v=ZEkwCGJ3o7M"
    assert mapped(trailer={"url": "javascript:alert(1)"}).trailer_url is None


def test_titles_in_other_languages_are_synonyms() -> None:
    titles = [
        {"type": "Default", "title": "Shingeki no Kyojin"},
        {"type": "Synonym", "title": "AoT"},
        {"type": "Synonym", "title": "AoT"},
        {"type": "Japanese", "title": "進撃の巨人"},
        {"type": "English", "title": "Attack on Titan"},
        {"type": "German", "title": "Attack on Titan"},
        {"type": "Spanish", "title": "Ataque a los Titanes"},
        {"type": "Russian", "title": "Атака титанов"},
    ]
    anime = map_anime(
        {"mal_id": 1, "titles": titles, "title": "Shingeki no Kyojin", "title_synonyms": ["SnK", "AoT"]}
    )
    assert anime.title == "Shingeki no Kyojin"
    assert (anime.title_english, anime.title_japanese) == ("Attack on Titan", "進撃の巨人")
    assert anime.title_russian == "Атака титанов"
    assert anime.synonyms == ("AoT", "Ataque a los Titanes", "SnK")


def test_tags_keep_their_kinds_and_come_once() -> None:
    anime = mapped(
        genres=[
            {"mal_id": 1, "name": "Action"},
            {"mal_id": 1, "name": "action"},
            {"name": "Odd"},
            {"mal_id": 9},
        ],
        themes=[{"mal_id": 23, "name": "School"}],
        demographics=[{"mal_id": 27, "name": "Shounen"}],
        studios=[{"mal_id": 14, "name": "Sunrise"}, {"name": "sunrise"}, None],
    )
    assert anime.tags == (
        UpstreamTag("genre", "Action", 1),
        UpstreamTag("genre", "Odd"),
        UpstreamTag("theme", "School", 23),
        UpstreamTag("demographic", "Shounen", 27),
    )
    assert anime.studios == (UpstreamStudio("Sunrise", 14),)


def test_broadcast_is_an_object_or_nothing() -> None:
    nothing = {"day": None, "time": None, "timezone": None, "string": None}
    assert mapped(broadcast=nothing).broadcast is None
    assert mapped(broadcast=nothing | {"string": "Unknown"}).broadcast is None
    irregular = nothing | {"string": "Not scheduled once per week"}
    assert mapped(broadcast=irregular).broadcast == irregular


def test_relations_are_those_of_the_full_answer() -> None:
    entries = [
        {"mal_id": 5, "type": "anime", "name": "The film"},
        {"mal_id": 5, "type": "anime", "name": "The film"},
        {"mal_id": 1, "type": "anime", "name": "Itself"},
        {"mal_id": None, "type": "anime", "name": "Nothing"},
        {"mal_id": 7, "type": "person", "name": "Somebody"},
    ]
    groups = [
        {"relation": "Side Story", "entry": entries},
        {"relation": "Adaptation", "entry": [{"mal_id": 1, "type": "manga", "name": "The book"}]},
        {"relation": "Cousin", "entry": entries},
    ]
    assert mapped(mal_id=1, relations=groups).relations == (
        UpstreamRelation(1, 5, "side_story", "anime", "The film"),
        UpstreamRelation(1, 1, "adaptation", "manga", "The book"),
    )
    assert mapped(relations=[]).relations == ()
    assert mapped().relations is None


def test_text_can_be_stored() -> None:
    anime = mapped(title="Be\x00bop \ud83d", synopsis="\x00", genres=[{"mal_id": 1, "name": "Ac\x00tion"}])
    assert (anime.title, anime.synopsis, anime.tags[0].name) == ("Bebop", None, "Action")


@pytest.mark.parametrize(
    "body",
    [
        None, [], "text", {}, {"title": "x"}, {"mal_id": 1}, {"mal_id": "1", "title": "x"},
        {"mal_id": 0, "title": "x"},
        {"mal_id": 2**31, "title": "x"}, {"mal_id": True, "title": "x"}, {"mal_id": 1, "title": " \x00"},
        {"mal_id": 1, "title": "x" * 501}, {"mal_id": 1, "titles": [{"type": "English", "title": "x"}]},
    ],
)  # fmt: skip
def test_objects_without_id_or_title_are_rejected(body: object) -> None:
    with pytest.raises(MappingError):
        map_anime(body)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(mal_id=st.integers(1, LAST_ID), spoiled=st.dictionaries(st.integers(0, 200), anything, max_size=6))
def test_arbitrary_values_never_break_the_mapping(mal_id: int, spoiled: dict[int, Any]) -> None:
    body = make_anime(mal_id, full=True)
    places = list(_places(body))
    for number, value in spoiled.items():
        holder, key = places[number % len(places)]
        holder[key] = value
    try:
        anime = map_anime(body)
    except MappingError:
        return
    assert 0 < (anime.mal_id or 0) < 2**31
    assert anime.title
    for key in ("episodes", "scored_by", "rank", "popularity", "members", "year"):
        assert getattr(anime, key) is None or 0 < getattr(anime, key) < 2**31
    assert anime.type is None or anime.type in ANIME_TYPES
    assert anime.status in {None, "airing", "finished", "upcoming"}
    assert anime.score is None or 0 < anime.score <= 10
    json.dumps(asdict(anime), allow_nan=False, ensure_ascii=False).encode()


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
