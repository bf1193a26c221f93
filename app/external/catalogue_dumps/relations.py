"""Rows of a dump of relations: ``{"a": 1, "b": 5, "t": "side_story", "src": "mal2018"}``."""

from collections.abc import Mapping
from typing import Any

from app.external.catalogue_dumps import fields
from app.external.catalogue_dumps.fields import InvalidRow, UnusableRow
from app.schemas.domain.anime import TITLE_MAX
from app.schemas.domain.relations import StoredRelation, relation_type

KEYS = frozenset({"a", "b", "t"})
_SOURCE_MAX = 50  # characters
_OTHERS = "dump"  # the source of rows that name none


def to_relation(row: Mapping[str, Any]) -> StoredRelation:
    """Map a row: ``b`` is the ``t`` of ``a``, by MyAnimeList ids.

    ``media_type`` and ``title`` of ``b`` are optional.
    """
    first, second = fields.identity(row, "a"), fields.identity(row, "b")
    if first is None or second is None:
        raise InvalidRow("a or b is not an id")
    texts = fields.texts(
        row, (("t", fields.NAME_MAX), ("src", _SOURCE_MAX), ("media_type", 10), ("title", TITLE_MAX))
    )
    word, source, media_type, title = texts
    kind = relation_type(word or "")
    if kind is None:
        raise InvalidRow(f"t is not a relation type: {word}")
    if media_type not in ("anime", "manga", None):
        raise InvalidRow("media_type is neither anime nor manga")
    if first == second and media_type != "manga":
        raise UnusableRow("a title is not related to itself")
    return StoredRelation(
        first, second, kind, source or _OTHERS, "manga" if media_type == "manga" else "anime", title
    )
