"""The columns of a title that its sources provide, and how data of two sources is merged."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from app.schemas.domain.anime import Season, UpstreamAnime, UpstreamStudio, UpstreamTag

_QUARTERS: tuple[Season, ...] = ("winter", "spring", "summer", "fall")

NAMES = {
    "title": "text",
    "title_english": "text",
    "title_japanese": "text",
    "title_russian": "text",
    "synonyms": "text[]",
}
VALUES = {
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
    "trailer_url": "text",
    "aired_from": "text",
    "aired_to": "text",
    "is_adult": "boolean",
    "images": "jsonb",
    "broadcast": "jsonb",
    "tag_ids": "int[]",
    "studio_ids": "int[]",
}
STATED = NAMES | VALUES

_main_names = attrgetter(*(name for name in NAMES if name != "synonyms"))
_plain_values = attrgetter(*(name for name in VALUES if not name.endswith("_ids")))
_COUNTS = {"scored_by", "members"}  # 0 is valid, but any other count takes precedence

TagIds = Mapping[UpstreamTag, int]
StudioIds = Mapping[UpstreamStudio, int]


def label_ids(anime: UpstreamAnime, tags: TagIds, studios: StudioIds) -> tuple[list[int], list[int]]:
    """The ids of the title's tags and studios without duplicates, in the order of the source."""
    return (
        list(dict.fromkeys([tags[tag] for tag in anime.tags])),
        list(dict.fromkeys([studios[studio] for studio in anime.studios])),
    )


def names_of(anime: UpstreamAnime) -> tuple[Any, ...]:
    """The values of ``NAMES``; synonyms exclude the other names, and are ``None`` if not provided."""
    main = _main_names(anime)
    if anime.synonyms is None:
        return (*main, None)
    return (*main, [name for name in anime.synonyms if name not in main])


def values_of(anime: UpstreamAnime, tags: TagIds, studios: StudioIds) -> tuple[Any, ...]:
    """The values of ``VALUES``, with labels as ids."""
    return (*_plain_values(anime), *label_ids(anime, tags, studios))


def with_dates(column: str, row: str) -> str:
    """SQL for a column of the alias ``row``; a null year or season is derived from ``aired_from``."""
    year = f"coalesce({row}.year, {_year(f'{row}.aired_from')})"
    if column == "year":
        return year
    name = f"{row}.{column}"
    return f"coalesce({name}, {_season(f'{row}.aired_from', year)})" if column == "season" else name


def season_and_year(anime: UpstreamAnime) -> tuple[Season | None, int | None]:
    """The Python counterpart of :func:`with_dates`, for titles that are inserted with COPY."""
    season, year, date = anime.season, anime.year, anime.aired_from
    if date is None:
        return season, year
    if year is None:
        year = int(date[:4])
    if season is None and len(date) >= 7 and int(date[:4]) == year:
        season = _QUARTERS[(int(date[5:7]) - 1) // 3]
    return season, year


def merged(column: str, theirs: str, ours: str, overwrite: str) -> str:
    """SQL for one of ``VALUES`` after a merge; the last three arguments are two aliases and a condition.

    Missing values never erase. A score with a number of votes takes precedence over one without. A year or
    season that was derived from the stored date changes with the date.
    """
    if column == "tag_ids":
        return f"case when {overwrite} then {_tags(theirs, ours)} else {_tags(ours, theirs)} end"
    new, old = _said(column, theirs), _said(column, ours)
    if column in ("year", "season"):
        return _merged_time(column, theirs, ours, overwrite)
    value = f"case when {overwrite} then coalesce({new}, {old}) else coalesce({old}, {new}) end"
    if column == "score":
        counted = f"({theirs}.scored_by is not null)"
        value = (
            f"case when {new} is null or {old} is null or {counted} = ({ours}.scored_by is not null)"
            f" then {value} when {counted} then {new} else {old} end"
        )
    if column in _COUNTS:
        return f"coalesce({value}, {ours}.{column}, {theirs}.{column})"
    return f"coalesce({value}, '{{}}')" if VALUES[column].endswith("[]") else value


def _said(column: str, alias: str) -> str:
    name = f"{alias}.{column}"
    if column in _COUNTS:
        return f"nullif({name}, 0)"
    return f"nullif({name}, '{{}}')" if VALUES[column].endswith("[]") else name


def _tags(first: str, second: str) -> str:
    """The tags of ``first``, plus those of ``second`` whose kind ``first`` does not have."""
    return f"""
        case when {first}.tag_ids = {second}.tag_ids then {first}.tag_ids
             else {first}.tag_ids || array(
                 select t.id from unnest({second}.tag_ids) with ordinality as t(id, place)
                 join genres g on g.id = t.id
                 where g.kind not in (select kind from genres where id = any({first}.tag_ids))
                 order by t.place) end
    """


def _merged_time(column: str, theirs: str, ours: str, overwrite: str) -> str:
    aired = merged("aired_from", theirs, ours, overwrite)
    old_year, old_date = f"{ours}.year", f"{ours}.aired_from"
    stated_year = f"nullif({old_year}, {_year(old_date)})"
    year = f"""
        coalesce(case when {overwrite} then coalesce({theirs}.year, {stated_year})
                      else coalesce({old_year}, {theirs}.year) end, {_year(aired)}, {old_year})
    """
    if column == "year":
        return year
    stated_season = f"nullif({ours}.season, {_season(old_date, old_year)})"
    return f"""
        coalesce(case when {overwrite} then coalesce({theirs}.season, {stated_season})
                      else coalesce({ours}.season, {theirs}.season) end,
                 {_season(aired, year)}, {ours}.season)
    """


def _year(date: str) -> str:
    return f"left({date}, 4)::int"


def _season(date: str, year: str) -> str:
    """The season of a date with a month, unless the title belongs to another year."""
    return (
        f"case when length({date}) >= 7 and {_year(date)} = {year}"
        f" then (array[{', '.join(map(repr, _QUARTERS))}])[(substr({date}, 6, 2)::int + 2) / 3] end"
    )
