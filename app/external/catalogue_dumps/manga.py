"""Rows of a manga dump: one title with ids, names and statistics of MyAnimeList and AniList."""

from collections.abc import Mapping
from typing import Any

from app.external.catalogue_dumps import fields
from app.external.catalogue_dumps.fields import UnusableRow
from app.schemas.domain.anime import TITLE_MAX
from app.schemas.domain.manga import Manga
from app.schemas.limits import MAX_PROGRESS

_TYPES = frozenset(
    {
        "manga",
        "one-shot",
        "one_shot",
        "oneshot",
        "manhwa",
        "manhua",
        "light novel",
        "novel",
        "doujinshi",
        "oel",
    }
)
_OTHER_NAMES = ("title_english", "title_japanese", "title_russian")


def is_manga(row: Mapping[str, Any]) -> bool:
    """Whether the row is a manga, by ``media_type`` or by a type that no anime has."""
    kind = row.get("media_type") or row.get("type")
    return isinstance(kind, str) and kind.strip().lower() in _TYPES


def to_manga(row: Mapping[str, Any]) -> Manga:
    title = fields.title(row)
    mal_id, anilist_id = fields.identity(row, "mal_id"), fields.identity(row, "anilist_id")
    if mal_id is None and anilist_id is None:
        raise UnusableRow("neither mal_id nor anilist_id")
    *others, kind, image = fields.texts(
        row,
        (
            *((key, TITLE_MAX) for key in _OTHER_NAMES),
            ("type", fields.NAME_MAX),
            ("image_url", fields.URL_MAX),
        ),
    )
    names = (*others, *fields.names(row, "synonyms", TITLE_MAX))
    return Manga(
        mal_id=mal_id,
        anilist_id=anilist_id,
        title=title,
        names=tuple(dict.fromkeys(name for name in names if name and name != title)),
        format=kind,
        image_url=fields.picture(image),
        chapters=fields.count(row, "chapters", high=MAX_PROGRESS),
        volumes=fields.count(row, "volumes", high=MAX_PROGRESS),
        members=fields.count(row, "members", low=0),
    )
