"""The columns of a title that its sources state, and how two statements of one title are merged."""

from collections.abc import Mapping

from app.schemas.domain.anime import UpstreamAnime, UpstreamStudio, UpstreamTag

STATED = {
    "title": "text",
    "title_english": "text",
    "title_japanese": "text",
    "title_russian": "text",
    "synonyms": "text[]",
    "type": "text",
    "source": "text",
    "status": "text",
    "season": "text",
    "year": "int",
    "episodes": "int",
    "duration_minutes": "double precision",
    "rating": "text",
    "score": "double precision",
    "scored_by": "int",
    "rank": "int",
    "popularity": "int",
    "members": "int",
    "synopsis": "text",
    "image_url": "text",
    "images": "jsonb",
    "trailer_url": "text",
    "aired_from": "text",
    "aired_to": "text",
    "broadcast": "jsonb",
    "is_adult": "boolean",
    "tag_ids": "int[]",
    "studio_ids": "int[]",
}

TagIds = Mapping[UpstreamTag, int]
StudioIds = Mapping[UpstreamStudio, int]


def label_ids(anime: UpstreamAnime, tags: TagIds, studios: StudioIds) -> tuple[list[int], list[int]]:
    """The ids of its tags and of its studios, each once, in the order of the source."""
    return (
        list(dict.fromkeys([tags[tag] for tag in anime.tags])),
        list(dict.fromkeys([studios[studio] for studio in anime.studios])),
    )


def merged(column: str, theirs: str, ours: str, overwrite: str) -> str:
    """SQL for the value of a column after a merge; the last three are an alias, an alias and a condition.

    What is not stated never erases. A score whose voters were counted beats one that nobody counted.
    """
    new, old = _said(column, theirs), _said(column, ours)
    value = f"case when {overwrite} then coalesce({new}, {old}) else coalesce({old}, {new}) end"
    if column == "score":
        counted = f"({theirs}.scored_by is not null)"
        value = (
            f"case when {new} is null or {old} is null or {counted} = ({ours}.scored_by is not null)"
            f" then {value} when {counted} then {new} else {old} end"
        )
    return f"coalesce({value}, '{{}}')" if STATED[column].endswith("[]") else value


def _said(column: str, alias: str) -> str:
    name = f"{alias}.{column}"
    return f"nullif({name}, '{{}}')" if STATED[column].endswith("[]") else name
