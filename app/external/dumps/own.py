"""Rows of our own kind of dump: one title with the ids, names and figures of MAL and AniList."""

from collections.abc import Mapping
from typing import Any

from app.external.dumps import fields, words
from app.external.dumps.fields import Notes, OfNoUse
from app.schemas.domain.anime import TITLE_MAX, TagKind, UpstreamAnime, UpstreamStudio, UpstreamTag

_LISTS: tuple[tuple[str, TagKind], ...] = (
    ("genres", "genre"),
    ("themes", "theme"),
    ("demographics", "demographic"),
)


def to_anime(row: Mapping[str, Any], notes: Notes) -> UpstreamAnime:
    mal_id, anilist_id = fields.identity(row, "mal_id"), fields.identity(row, "anilist_id")
    title = fields.title(row)
    if mal_id is None and anilist_id is None:
        raise OfNoUse("neither mal_id nor anilist_id")
    return UpstreamAnime(
        title=title,
        mal_id=mal_id,
        anilist_id=anilist_id,
        title_english=fields.text(row, "title_english", TITLE_MAX),
        title_japanese=fields.text(row, "title_japanese", TITLE_MAX),
        title_russian=fields.text(row, "title_russian", TITLE_MAX),
        synonyms=tuple(fields.names(row, "synonyms", TITLE_MAX)),
        type=notes.word("type", words.TYPES, fields.text(row, "type")),
        source=notes.word("source", words.SOURCES, fields.text(row, "source_material")),
        status=notes.word("status", words.STATUSES, fields.text(row, "status")),
        season=notes.word("season", words.SEASONS, fields.text(row, "season")),
        year=fields.year(row),
        episodes=fields.count(row, "episodes"),
        duration_minutes=fields.minutes(row, notes),
        rating=notes.word("rating", words.RATINGS, fields.text(row, "rating")),
        score=fields.score(row.get("score")),
        scored_by=fields.count(row, "scored_by", low=0),
        rank=fields.count(row, "rank"),
        popularity=fields.count(row, "popularity"),
        members=fields.count(row, "members", low=0),
        synopsis=fields.text(row, "synopsis"),
        image_url=fields.address(row, "image_url"),
        aired_from=fields.day(row, "aired_from", notes),
        aired_to=fields.day(row, "aired_to", notes),
        is_adult=fields.flag(row, "nsfw"),
        tags=tuple(_tags(row)),
        studios=tuple(UpstreamStudio(name) for name in fields.names(row, "studios")),
    )


def _tags(row: Mapping[str, Any]) -> list[UpstreamTag]:
    return [words.tag(kind, name) for key, kind in _LISTS for name in fields.names(row, key)]
