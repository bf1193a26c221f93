"""Rows of manami-project's anime-offline-database."""

import re
from collections.abc import Mapping
from typing import Any

from app.external.catalogue_dumps import fields, words
from app.external.catalogue_dumps.fields import InvalidRow, Notes, UnusableRow
from app.schemas.domain.anime import TITLE_MAX, UpstreamAnime, UpstreamStudio, UpstreamTag
from app.schemas.limits import MAX_PROGRESS
from app.utils.text.cleaning import clean_int

_MAL = re.compile(r"https?://(?:www\.)?myanimelist\.net/anime/(\d+)", re.ASCII)
_ANILIST = re.compile(r"https?://(?:www\.)?anilist\.co/anime/(\d+)", re.ASCII)
_TEXTS = (("type", fields.NAME_MAX), ("status", fields.NAME_MAX), ("picture", fields.URL_MAX))
_UNITS = {"SECONDS": 1 / 60, "MINUTES": 1.0, "HOURS": 60.0}


def to_anime(row: Mapping[str, Any], notes: Notes) -> UpstreamAnime:
    """Map a row. Its score is the mean of several sites, so there is no number of votes."""
    title = fields.title(row)
    sources = fields.names(row, "sources", fields.URL_MAX)
    mal_id, anilist_id = _id(_MAL, sources, notes), _id(_ANILIST, sources, notes)
    if mal_id is None and anilist_id is None:
        raise UnusableRow("no MyAnimeList or AniList URL among its sources")
    season = _object(row, "animeSeason")
    tags = _tags(row)
    kind, status, picture = fields.texts(row, _TEXTS)
    (quarter,) = fields.texts(season, [("season", fields.NAME_MAX)])
    return UpstreamAnime(
        title=title,
        mal_id=mal_id,
        anilist_id=anilist_id,
        synonyms=tuple(name for name in fields.names(row, "synonyms", TITLE_MAX) if name != title) or None,
        type=notes.word("type", words.TYPES, kind),
        status=notes.word("status", words.STATUSES, status),
        season=notes.word("season", words.SEASONS, quarter),
        year=fields.year(season),
        episodes=fields.count(row, "episodes", high=MAX_PROGRESS),
        duration_minutes=_minutes(_object(row, "duration")),
        score=_score(_object(row, "score")),
        image_url=fields.picture(picture),
        is_adult=True if any(tag.name == "Hentai" for tag in tags) else None,
        tags=tuple(tags),
        studios=tuple(UpstreamStudio(name) for name in fields.names(row, "studios")),
    )


def _id(pattern: re.Pattern[str], sources: tuple[str, ...], notes: Notes) -> int | None:
    """The id in the first URL that matches; an entry merged from several of one site has several."""
    found = [int(match[1][:12]) for match in map(pattern.match, sources) if match]
    if len(found) > 1:
        notes.log("dump.several_ids", "sources", pattern.pattern)
    if not found:
        return None
    number = clean_int(found[0], 1)
    if number is None:
        raise InvalidRow("sources contains an id that is out of range")
    return number


def _object(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRow(f"{key} is not an object")
    return value


def _minutes(duration: Mapping[str, Any]) -> float | None:
    unit = duration.get("unit", "SECONDS")
    if unit not in _UNITS:
        raise InvalidRow("duration has an unknown unit")
    return fields.length(duration.get("value"), _UNITS[unit])


def _score(score: Mapping[str, Any]) -> float | None:
    for kind in ("arithmeticMean", "arithmeticGeometricMean", "median"):
        if score.get(kind) is not None:
            return fields.score(score[kind])
    return None


def _tags(row: Mapping[str, Any]) -> list[UpstreamTag]:
    found = (words.loose_tag(word) for word in fields.names(row, "tags"))
    return list(dict.fromkeys(tag for tag in found if tag is not None))
