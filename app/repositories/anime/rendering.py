"""SQL that renders rows of ``anime`` as JSON with the selected keys."""

import json
from functools import lru_cache

from app.repositories.relations import RELATIONS_COUNT
from app.schemas.domain.pictures import UNKNOWN

NO_PICTURES = json.dumps(dict(UNKNOWN))
_INSTANTS = frozenset({"created_at", "updated_at"})
_KINDS = {"genres": "genre", "themes": "theme", "demographics": "demographic"}

# One lateral join reads genres, themes and demographics of a title together.
_TAGS = """
    left join lateral (
        select {columns}
        from genres g
        where g.id = any(a.tag_ids)
    ) tags on true
"""
_STUDIOS = """
    coalesce((
        select json_agg((select s from (select studio.id, studio.name) s) order by studio.name)
        from studios studio
        where studio.id = any(a.studio_ids)
    ), '[]') as studios
"""


# A subquery per row of a page: for a join, the planner may choose a scan of the whole table.
_SYNCED_AT = "(select {instant} from anime_syncs s where s.anime_id = a.id) as synced_at"


@lru_cache(1024)
def columns(keys: tuple[str, ...]) -> str:
    """The select list for these keys; it needs a row named ``a`` and the joins of :func:`joins`."""
    return ", ".join(_column(key) for key in keys)


@lru_cache(1024)
def joins(keys: tuple[str, ...]) -> str:
    """The joins that these keys need."""
    wanted = [f"{_tags_of(kind)} as {key}" for key, kind in _KINDS.items() if key in keys]
    return _TAGS.format(columns=", ".join(wanted)) if wanted else ""


def _column(key: str) -> str:
    if key == "synced_at":
        return _SYNCED_AT.format(instant=_instant("s.synced_at"))
    if key in _INSTANTS:
        return f"{_instant(f'a.{key}')} as {key}"
    if key in _KINDS:
        return f"coalesce(tags.{key}, '[]') as {key}"
    if key == "images":
        return f"coalesce(a.images, '{NO_PICTURES}') as images"
    if key == "relations_count":
        return f"{RELATIONS_COUNT} as relations_count"
    return _STUDIOS if key == "studios" else f"a.{key}"


def _tags_of(kind: str) -> str:
    label = "(select t from (select g.id, g.name, g.mal_id) t)"
    return f"json_agg({label} order by g.name) filter (where g.kind = '{kind}')"


def _instant(column: str) -> str:
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
