"""Rows of AniSync's own dump format: a title with the ids, names and statistics of MAL and AniList."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from app.external.catalogue_dumps import fields, words
from app.external.catalogue_dumps.fields import Notes, UnusableRow
from app.schemas.domain.anime import TITLE_MAX, TagKind, UpstreamAnime, UpstreamStudio, UpstreamTag
from app.schemas.limits import MAX_PROGRESS

_LISTS: tuple[tuple[str, TagKind], ...] = (
    ("genres", "genre"),
    ("themes", "theme"),
    ("demographics", "demographic"),
)
_TEXTS = (
    *((key, TITLE_MAX) for key in ("title_english", "title_japanese", "title_russian")),
    *((key, fields.NAME_MAX) for key in ("type", "source_material", "status", "season", "rating")),
    *((key, fields.NAME_MAX) for key in ("aired_from", "aired_to")),
    ("synopsis", fields.TEXT_MAX),
    ("image_url", fields.URL_MAX),
)

_studio = lru_cache(maxsize=8192)(UpstreamStudio)


def to_anime(row: Mapping[str, Any], notes: Notes) -> UpstreamAnime:
    title = fields.title(row)
    mal_id, anilist_id = fields.identity(row, "mal_id"), fields.identity(row, "anilist_id")
    if mal_id is None and anilist_id is None:
        raise UnusableRow("neither mal_id nor anilist_id")
    texts = fields.texts(row, _TEXTS)
    english, japanese, russian, kind, source, status, season, rating, start, end, synopsis, image = texts
    return UpstreamAnime(
        title=title,
        mal_id=mal_id,
        anilist_id=anilist_id,
        title_english=english,
        title_japanese=japanese,
        title_russian=russian,
        synonyms=fields.names(row, "synonyms", TITLE_MAX) or None,
        type=notes.word("type", words.TYPES, kind),
        source=notes.word("source", words.SOURCES, source),
        status=notes.word("status", words.STATUSES, status),
        season=notes.word("season", words.SEASONS, season),
        year=fields.year(row),
        episodes=fields.count(row, "episodes", high=MAX_PROGRESS),
        duration_minutes=fields.minutes(row, notes),
        rating=notes.word("rating", words.RATINGS, rating),
        score=fields.score(row.get("score")),
        scored_by=fields.count(row, "scored_by", low=0),
        rank=fields.count(row, "rank"),
        popularity=fields.count(row, "popularity"),
        members=fields.count(row, "members", low=0),
        synopsis=synopsis,
        image_url=fields.picture(image),
        aired_from=fields.day(start, "aired_from", notes),
        aired_to=fields.day(end, "aired_to", notes),
        is_adult=fields.flag(row, "nsfw"),
        tags=tuple(_tags(row)),
        studios=tuple([_studio(name) for name in fields.names(row, "studios")]),
    )


def _tags(row: Mapping[str, Any]) -> list[UpstreamTag]:
    return [words.tag(kind, name) for key, kind in _LISTS for name in fields.names(row, key)]
