"""The JSON of list entries: one SQL projection per surface, for single entries and pages alike."""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from app.repositories.library.states import STATE_COLUMNS, state_values
from app.schemas.domain.library import ENTRY_KEYS, Entry, Shape

# ``a`` is the catalogue title, if any. Its values take precedence, and the user's fill the gaps; except for
# the total (``max_progress``), where the user's own value is a setting that overrides the catalogue's.
FROM_ENTRIES = "from entries e left join anime a on a.id = e.anime_id"
TITLE = "coalesce(a.title, e.title)"
COVER = "coalesce(a.image_url, e.cover_url)"
MAL_ID = "coalesce(a.mal_id, e.mal_id)"
ANILIST_ID = "coalesce(a.anilist_id, e.anilist_id)"
FORMAT = "coalesce(a.type, e.format)"
EPISODES = "coalesce(a.episodes, e.max_progress)"
TOTAL = "coalesce(e.max_progress, a.episodes)"


def instant(column: str) -> str:
    return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_CARD = f"""
    'id', a.id, 'mal_id', {MAL_ID}, 'title', {TITLE}, 'image_url', {COVER}, 'score', a.score,
    'episodes', {EPISODES}
"""
# The additional fields of a title on a page of titles.
_FULL_CARD = f"""
    {_CARD}, 'anilist_id', {ANILIST_ID}, 'title_english', a.title_english,
    'title_japanese', a.title_japanese, 'title_russian', a.title_russian,
    'synonyms', coalesce(to_json(a.synonyms), '[]'), 'type', {FORMAT}, 'status', a.status,
    'season', a.season, 'year', a.year, 'duration_minutes', a.duration_minutes,
    'images', coalesce(a.images, picture_sizes({COVER})),
    'genres', coalesce((
        select json_agg((select t from (select g.id, g.name, g.mal_id) t) order by g.name)
        from genres g where g.id = any(a.tag_ids) and g.kind = 'genre'), '[]')
"""
_CORE_KEYS = {
    "score": "e.score / 10.0::float8",
    "max_progress": TOTAL,
    "tags": "to_json(e.tags)",
    "created_at": instant("e.created_at"),
    "updated_at": instant("e.updated_at"),
    "anime": f"json_build_object({_CARD})",
}


@lru_cache(256)
def core_entry(keys: tuple[str, ...] = ENTRY_KEYS, *, expanded: bool = False) -> str:
    """SQL for the JSON of an entry with these keys; ``expanded`` includes more of its title."""
    full = {"anime": f"json_build_object({_FULL_CARD})"} if expanded else {}
    values = {**_CORE_KEYS, **full}
    pairs = [f"'{key}', {values.get(key, f'e.{key}')}" for key in keys]
    return f"json_build_object({', '.join(pairs)})"


TRACKER_COLUMNS = {
    "id": "e.id",
    "title": TITLE,
    "type": "e.media_type",
    "source": "coalesce(e.source, 'anisync')",
    "cover_url": COVER,
    "status": """case e.status when 'plan_to_watch' then 'planning'
        when 'watching' then case e.media_type when 'manga' then 'reading' else 'watching' end
        else e.status end""",
    "progress": "e.progress",
    "max_progress": TOTAL,
    "anilist_id": ANILIST_ID,
    "mal_id": MAL_ID,
    "format": FORMAT,
    "site_url": "e.site_url",
    "updated_at": instant("e.updated_at"),
}
_TRACKER_PAIRS = (f"'{name}', {sql}" for name, sql in TRACKER_COLUMNS.items())
_TRACKER = f"json_build_object({', '.join(_TRACKER_PAIRS)})"
SHAPES: dict[Shape, str] = {"core": core_entry(), "tracker": _TRACKER}
_COLUMNS = ", ".join(
    f"{name} {kind}"
    for name, kind in {
        "place": "int",
        "id": "bigint",
        "version": "int",
        "media_type": "text",
        "anime_id": "int",
        "mal_id": "int",
        "anilist_id": "int",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
        **STATE_COLUMNS,
    }.items()
)
# statements that render entries given as JSON, which need not be stored in that state
GIVEN: dict[Shape, str] = {
    shape: f"""
    select {projection}::text as body
    from jsonb_to_recordset($1::text::jsonb) as e({_COLUMNS}) left join anime a on a.id = e.anime_id
    order by e.place
    """
    for shape, projection in SHAPES.items()
}


def given_rows(entries: Sequence[Entry]) -> str:
    """The entries as the JSON argument of the statements in :data:`GIVEN`."""
    return orjson.dumps([_given(place, entry) for place, entry in enumerate(entries)]).decode()


def _given(place: int, entry: Entry) -> dict[str, object]:
    subject = entry.subject
    return {
        **state_values(entry.state),
        "place": place,
        "id": entry.id,
        "version": entry.version,
        "media_type": subject.media_type,
        "anime_id": subject.anime_id,
        "mal_id": subject.mal_id,
        "anilist_id": subject.anilist_id,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "carried": None,  # not shown to anybody
    }
