"""Map Jikan's anime objects to :class:`UpstreamAnime`; pure functions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, cast

from app.logs import log
from app.schemas.domain.anime import (
    ANIME_TYPES,
    RATINGS,
    TITLE_MAX,
    Season,
    Status,
    TagKind,
    UpstreamAnime,
    UpstreamStudio,
    UpstreamTag,
)
from app.schemas.domain.pictures import Pictures, stated_sizes
from app.schemas.domain.relations import UpstreamRelation, relation_type
from app.schemas.limits import MAX_DURATION_MINUTES, MAX_PROGRESS, MAX_YEAR, MIN_YEAR
from app.utils.text.cleaning import clean_int, clean_text, minutes_of, partial_date

_STATUSES = {"finished airing": "finished", "currently airing": "airing", "not yet aired": "upcoming"}
_SEASONS = {name: name for name in ("winter", "spring", "summer", "fall")}
_TYPES = {name.lower(): name for name in ANIME_TYPES}
_RATINGS = {name.lower(): name for name in RATINGS}
_DAYS = {f"{name}s".lower(): f"{name}s" for name in (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)}  # fmt: skip
_SAYS_NOTHING = {"", "none", "null", "unknown", "not available", "n/a"}
_EXPLICIT = {12, 49}  # Hentai, Erotica

_WRITTEN_DATE = re.compile(
    r"(?:(?P<month>[A-Za-z]{3})[a-z]*\.?,?\s+)?(?:(?P<day>\d{1,2}),\s+)?(?P<year>\d{4})", re.ASCII
)
_YEAR = re.compile(r"\b\d{4}\b", re.ASCII)
_YOUTUBE = re.compile(r"[\w-]{5,20}", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME_MAX = 200  # characters of the name of a genre or studio


class MappingError(ValueError):
    """The body is not an anime: it has no id or no title."""


def map_anime(body: object) -> UpstreamAnime:
    """Map one element of ``data`` of ``/anime/{id}``, ``/anime/{id}/full`` or a list.

    Raises :class:`MappingError`. Unknown enumeration values become ``None`` and are logged once.
    """
    if not isinstance(body, Mapping):
        raise MappingError("not an object")
    mal_id = clean_int(body.get("mal_id"), low=1)
    if mal_id is None:
        raise MappingError("no mal_id")
    titles = _Titles(body)
    if titles.main is None:
        raise MappingError(f"{mal_id} has no title")
    return _anime(mal_id, titles.main, titles, body)


def _anime(mal_id: int, title: str, titles: "_Titles", body: Mapping[str, Any]) -> UpstreamAnime:
    images = _images(body.get("images"))
    rating = _word(body, "rating", _RATINGS)
    aired_from, aired_to = _aired(_object(body.get("aired")))
    return UpstreamAnime(
        mal_id=mal_id,
        title=title,
        title_english=titles.english,
        title_japanese=titles.japanese,
        title_russian=titles.russian,
        synonyms=titles.synonyms,
        type=_word(body, "type", _TYPES),
        source=_known_text(body.get("source")),
        status=cast("Status | None", _word(body, "status", _STATUSES)),
        season=cast("Season | None", _word(body, "season", _SEASONS)),
        year=clean_int(body.get("year"), MIN_YEAR, MAX_YEAR),
        episodes=clean_int(body.get("episodes"), 1, MAX_PROGRESS),
        duration_minutes=_minutes(_known_text(body.get("duration")) or ""),
        rating=rating,
        score=_score(body.get("score")),
        scored_by=clean_int(body.get("scored_by"), low=1),
        rank=clean_int(body.get("rank"), low=1),
        popularity=clean_int(body.get("popularity"), low=1),
        members=clean_int(body.get("members"), low=1),
        synopsis=_known_text(body.get("synopsis")),
        image_url=_main_image(images),
        images=images,
        trailer_url=_trailer(body.get("trailer")),
        aired_from=aired_from,
        aired_to=aired_to,
        broadcast=_broadcast(_object(body.get("broadcast"))),
        is_adult=_is_adult(rating, body),
        tags=tuple(_tags(body)),
        studios=tuple(_studios(body.get("studios"))),
        relations=_relations(mal_id, body.get("relations")),
    )


class _Titles:
    """Titles from ``titles``, or from the four older keys where it is missing.

    Every title without a field of its own, in whatever language, is a synonym. ``synonyms`` is None if the
    body has neither list of titles.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        typed = list(_typed_titles(body.get("titles")))
        self.main = _first(typed, "default") or _title(body.get("title"))
        self.english = _first(typed, "english") or _title(body.get("title_english"))
        self.japanese = _first(typed, "japanese") or _title(body.get("title_japanese"))
        self.russian = _first(typed, "russian")
        mirrors = [_title(body.get(key)) for key in ("title", "title_english", "title_japanese")]
        older = map(_title, _list(body.get("title_synonyms")))
        named = {self.main, self.english, self.japanese, self.russian, None}
        others = dict.fromkeys([*(title for _, title in typed), *older, *mirrors])
        synonyms = tuple(title for title in others if title is not None and title not in named)
        lists_them = any(isinstance(body.get(key), list) for key in ("titles", "title_synonyms"))
        self.synonyms = synonyms if synonyms or lists_them else None


def _typed_titles(value: object) -> Iterator[tuple[str, str]]:
    for entry in _list(value):
        title = _title(_object(entry).get("title"))
        if title is not None:
            yield (clean_text(_object(entry).get("type")) or "").lower(), title


def _first(typed: Iterable[tuple[str, str]], kind: str) -> str | None:
    return next((title for data, title in typed if data == kind), None)


def _title(value: object) -> str | None:
    title = clean_text(value)
    return title if title is not None and len(title) <= TITLE_MAX else None


def _known_text(value: object) -> str | None:
    """The text, or None if it is a placeholder for an unknown value."""
    text = clean_text(value)
    return None if text is None or text.lower() in _SAYS_NOTHING else text


def _word(body: Mapping[str, Any], key: str, known: Mapping[str, str]) -> str | None:
    word = _known_text(body.get(key))
    if word is None:
        return None
    ours = known.get(word.lower())
    if ours is None:
        _note_unknown(key, word[:100])
    return ours


@lru_cache(maxsize=256)
def _note_unknown(key: str, word: str) -> None:
    """Log each unknown value once, not once per title."""
    log.warning("jikan.unknown_word", field=key, word=word)


def _minutes(text: str) -> float | None:
    minutes = minutes_of(text)
    return None if minutes is None or minutes > MAX_DURATION_MINUTES else minutes


def _score(value: object) -> float | None:
    """Null or 0 means that there are no votes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= 10 else None


def _images(value: object) -> Pictures | None:
    """Three sizes; ``None`` if all are placeholders."""
    sizes = ("image_url", "small_image_url", "large_image_url")
    return stated_sizes(
        {
            kind: {size: _address(_object(_object(value).get(kind)).get(size)) for size in sizes}
            for kind in ("jpg", "webp")
        }
    )


def _main_image(images: Pictures | None) -> str | None:
    return None if images is None else images["medium"] or images["large"] or images["small"]


def _address(value: object) -> str | None:
    url = clean_text(value)
    return url if url is not None and url.startswith(("https://", "http://")) else None


def _trailer(value: object) -> str | None:
    """The watch URL if there is one; newer responses have only the embed URL."""
    trailer = _object(value)
    code = clean_text(trailer.get("youtube_id"))
    watched = f"https://www.youtube.com/watch?v={code}" if code and _YOUTUBE.fullmatch(code) else None
    return _address(trailer.get("url")) or watched or _address(trailer.get("embed_url"))


def _aired(aired: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Only ``string`` has the precision of MyAnimeList; the other forms pad with January 1."""
    parts = _object(aired.get("prop"))
    ends = {
        key: _from_parts(_object(parts.get(key))) or _from_instant(aired.get(key)) for key in ("from", "to")
    }
    text = clean_text(aired.get("string"))
    if text is not None:
        first, between, last = text.partition(" to ")
        ends["from"] = _written(first, ends["from"])
        if between:
            ends["to"] = _written(last, ends["to"])
    return ends["from"], ends["to"]


def _written(text: str, otherwise: str | None) -> str | None:
    """Parse ``Oct 3, 2002``, ``Jan 2024`` or ``2024``; of other texts only the year. ``?`` is unknown."""
    if text.strip().lower() in {"?", "", "not available"}:
        return None
    match = _WRITTEN_DATE.fullmatch(text.strip())
    if match is None:
        year = _YEAR.search(text)
        return year[0] if year else otherwise
    named = (match["month"] or "").lower()
    month = _MONTHS.index(named) + 1 if named in _MONTHS else None
    return _stated(match["year"], month, match["day"])


def _from_parts(parts: Mapping[str, Any]) -> str | None:
    year, month, day = (clean_int(parts.get(key), low=1, high=9999) for key in ("year", "month", "day"))
    return None if year is None else _stated(year, month, day)


def _from_instant(value: object) -> str | None:
    return partial_date(clean_text(value) or "")


def _stated(year: int | str, month: int | None, day: int | str | None) -> str | None:
    """A partial date, without the components that make it invalid."""
    if month is None:
        return f"{int(year):04}"
    try:
        return (
            date(int(year), month, int(day)).isoformat() if day is not None else f"{int(year):04}-{month:02}"
        )
    except ValueError:
        return f"{int(year):04}-{month:02}" if month <= 12 else f"{int(year):04}"


def _broadcast(data: Mapping[str, Any]) -> dict[str, Any] | None:
    slot: dict[str, Any] = {key: _known_text(data.get(key)) for key in ("time", "timezone", "string")}
    slot = {"day": _word(data, "day", _DAYS), **slot}
    return slot if any(slot.values()) else None


def _is_adult(rating: str | None, body: Mapping[str, Any]) -> bool | None:
    named = [_object(entry) for key in ("genres", "explicit_genres") for entry in _list(body.get(key))]
    if rating == "Rx - Hentai" or any(clean_int(entry.get("mal_id")) in _EXPLICIT for entry in named):
        return True
    return None if rating is None else False


def _tags(body: Mapping[str, Any]) -> Iterator[UpstreamTag]:
    kinds: tuple[tuple[str, TagKind], ...] = (
        ("genres", "genre"),
        ("explicit_genres", "genre"),
        ("themes", "theme"),
        ("demographics", "demographic"),
    )
    seen: set[tuple[str, str | int]] = set()
    for key, kind in kinds:
        for name, mal_id in _named(body.get(key)):
            marks: set[tuple[str, str | int]] = {(kind, name.lower())} | (
                {(kind, mal_id)} if mal_id else set()
            )
            if not marks & seen:
                seen |= marks
                yield UpstreamTag(kind, name, mal_id)


def _studios(value: object) -> Iterator[UpstreamStudio]:
    seen: set[str] = set()
    for name, mal_id in _named(value):
        if name.lower() not in seen:
            seen.add(name.lower())
            yield UpstreamStudio(name, mal_id)


def _relations(mal_id: int, value: object) -> tuple[UpstreamRelation, ...] | None:
    """How other titles relate to this one; ``None`` if the body has no relations, as in lists."""
    if not isinstance(value, list):
        return None
    found: dict[UpstreamRelation, None] = {}
    for group in map(_object, value):
        word = clean_text(group.get("relation")) or ""
        kind = relation_type(word)
        if kind is None:
            _note_unknown("relation", word[:100])
            continue
        for entry in map(_object, _list(group.get("entry"))):
            to_id, media_type = clean_int(entry.get("mal_id"), low=1), entry.get("type")
            if (
                to_id is not None
                and media_type in ("anime", "manga")
                and (media_type, to_id) != ("anime", mal_id)
            ):
                title = _title(entry.get("name"))
                found[UpstreamRelation(mal_id, to_id, kind, media_type, title)] = None
    return tuple(found)


def _named(value: object) -> Iterator[tuple[str, int | None]]:
    for entry in _list(value):
        name = clean_text(_object(entry).get("name"))
        if name is not None and len(name) <= _NAME_MAX:
            yield name, clean_int(_object(entry).get("mal_id"), low=1)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
