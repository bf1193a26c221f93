"""Kitsu: library entries in JSON:API format."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.external.list_files import scores
from app.external.list_files.collecting import collected, title_of
from app.external.list_files.details import RowReader, as_object, is_yes
from app.external.list_files.scores import Score
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile
from app.utils.text.cleaning import clean_url

_KINDS: tuple[MediaType, ...] = ("anime", "manga")
_ID_WITH_KIND = re.compile(r"(anime|manga)/(\d+)", re.ASCII)  # of the oldest mappings
_MOST_TITLES = 20  # names of a title that are considered


class _Included:
    """The included resources: titles by kind and id, and their mappings to other services."""

    def __init__(self, items: Iterable[Any]) -> None:
        objects = map(as_object, items)
        self._items = {(str(item.get("type")), str(item.get("id"))): item for item in objects}
        self._mappings: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for (kind, _), item in self._items.items():
            if kind == "mappings" and (title := _reference(item, "item")):
                self._mappings.setdefault(title, []).append(item)

    def about(self, kind: MediaType, number: str) -> Mapping[str, Any]:
        return as_object(self._item(kind, number).get("attributes"))

    def id_elsewhere(self, kind: MediaType, number: str, service: str) -> Any:
        """The title's id at another service, as its mapping states it."""
        for mapping in self._mappings_of(kind, number):
            stated_fields = as_object(mapping.get("attributes"))
            site, found = stated_fields.get("externalSite"), stated_fields.get("externalId")
            if site == f"{service}/{kind}":
                return found
            pair = _ID_WITH_KIND.fullmatch(str(found)) if site == service else None
            if pair and pair[1] == kind:
                return pair[2]
        return None

    def _mappings_of(self, kind: MediaType, number: str) -> Iterator[Mapping[str, Any]]:
        related = as_object(as_object(self._item(kind, number).get("relationships")).get("mappings"))
        for link in related.get("data") or ():
            yield self._items.get(("mappings", str(as_object(link).get("id"))), {})
        yield from self._mappings.get((kind, number), ())

    def _item(self, kind: MediaType, number: str) -> Mapping[str, Any]:
        return self._items.get((kind, number), {})


def reads(document: Any) -> bool:
    rows = document.get("data") if isinstance(document, Mapping) else None
    return isinstance(rows, list) and any(
        "attributes" in row and "relationships" in row for row in rows if isinstance(row, Mapping)
    )


def read(document: Mapping[str, Any], asked: MediaType | None) -> ListFile:
    included = _Included(document.get("included") or ())
    return collected(
        "kitsu",
        document["data"],
        lambda line, row: _listed(line, row, included),
        title=lambda row: title_of(row) or _title_beside(as_object(row), included),
    )


def _listed(line: int, row: Mapping[str, Any], included: _Included) -> ListedRow:
    stated_fields = as_object(row["attributes"])
    kind, number = _media(row)
    about = included.about(kind, number)
    reader = RowReader()
    fields = {
        "status": reader.status(stated_fields.get("status")),
        "is_rewatching": is_yes(stated_fields.get("reconsuming")),
        "progress": reader.count("progress", stated_fields.get("progress")),
        "rewatch_count": reader.rewatches(stated_fields.get("reconsumeCount")),
        "notes": reader.notes(stated_fields.get("notes")),
        "is_private": is_yes(stated_fields.get("private")),
        "started_at": reader.date("start date", stated_fields.get("startedAt")),
        "finished_at": reader.date("finish date", stated_fields.get("finishedAt")),
        "carried": {"kitsu": {"id": number}},
    }
    subject = reader.subject(
        kind,
        reader.title(about.get("canonicalTitle"), *_titles(about)),
        mal_id=reader.identifier("MyAnimeList id", included.id_elsewhere(kind, number, "myanimelist")),
        anilist_id=reader.identifier("AniList id", included.id_elsewhere(kind, number, "anilist")),
        total=reader.total(about.get("episodeCount"), about.get("chapterCount")),
        image_url=clean_url(as_object(about.get("posterImage")).get("large")),
        known_elsewhere=True,
    )
    return reader.row(line, subject, _score(reader, stated_fields), fields)


def _score(reader: RowReader, stated_fields: Mapping[str, Any]) -> Score | None:
    if stated_fields.get("ratingTwenty") is not None:
        return reader.score(stated_fields["ratingTwenty"], scores.TWENTY_POINTS)
    return reader.score(stated_fields.get("rating"), scores.FIVE_POINTS_WITH_DECIMALS)


def _title_beside(row: Mapping[str, Any], included: _Included) -> str | None:
    """The included title of a row that could not be read."""
    try:
        about = included.about(*_media(row))
    except ValueError:
        return None
    return RowReader().title(about.get("canonicalTitle"), *_titles(about))


def _titles(about: Mapping[str, Any]) -> list[Any]:
    return list(as_object(about.get("titles")).values())[:_MOST_TITLES]


def _media(row: Mapping[str, Any]) -> tuple[MediaType, str]:
    """Kind and id of the title: related under its kind, or as ``media`` with a type."""
    for name in (*_KINDS, "media"):
        kind, number = _reference(row, name) or ("", "")
        if kind and kind not in _KINDS:
            raise ValueError(f"the row is neither an anime nor a manga but a {kind[:40]}")
        if kind:
            return "manga" if kind == "manga" else "anime", number
    raise ValueError("the row has neither an anime nor a manga")


def _reference(item: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """Type and id of a related resource."""
    data = as_object(as_object(item.get("relationships")).get(name)).get("data")
    if not isinstance(data, Mapping):
        return None
    kind, number = data.get("type") or name, str(data.get("id"))
    return (str(kind), number) if number.isascii() and number.isdecimal() and len(number) <= 20 else None
