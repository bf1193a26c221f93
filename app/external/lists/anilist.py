"""AniList: the archive of one's data, and the answer to a query for a ``MediaListCollection``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.external.lists import values
from app.external.lists.collecting import collected
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile
from app.schemas.words import says_again

Score = Callable[[Any], int | None]

_ARCHIVE_STATUS = ("CURRENT", "PLANNING", "COMPLETED", "DROPPED", "PAUSED", "REPEATING")
_ARCHIVE_TYPES: tuple[MediaType, ...] = ("anime", "manga")


def reads(document: Any) -> bool:
    if not isinstance(document, Mapping):
        return False
    return _is_archive(document) or any(True for _ in _collections(document))


def read(document: Mapping[str, Any]) -> ListFile:
    if _is_archive(document):
        return collected("anilist", document["lists"], _archived)
    found = list(_collections(document))
    entries = [(kind, entry) for kind, collection in found for entry in _entries(collection["lists"])]
    score = _scale([collection for _, collection in found], [entry for _, entry in entries])
    return collected("anilist", entries, lambda line, pair: _listed(line, pair[0], pair[1], score))


def _scale(collections: list[Any], entries: list[Any]) -> Score:
    """The scale of the person, where the query asked for it; else the one that the scores speak of."""
    for collection in collections:
        options = (collection.get("user") or {}).get("mediaListOptions") or {}
        if options.get("scoreFormat") in _SCALES:
            return _SCALES[options["scoreFormat"]]
    top = max((_number(entry.get("score")) for entry in entries), default=0)
    return values.hundred_point_score if top > 10 else values.ten_point_score


_SCALES: dict[str, Score] = {
    "POINT_100": values.hundred_point_score,
    "POINT_10_DECIMAL": values.ten_point_score,
    "POINT_10": values.ten_point_score,
    "POINT_5": values.five_star_score,
    "POINT_3": values.three_face_score,
}


def _is_archive(document: Mapping[str, Any]) -> bool:
    lists = document.get("lists")
    return isinstance(lists, list) and bool(lists) and "series_id" in lists[0]


def _collections(document: Mapping[str, Any]) -> Iterator[tuple[MediaType, Mapping[str, Any]]]:
    """The collections of an answer, whatever the query named them."""
    data = document.get("data", document)
    for name, collection in data.items() if isinstance(data, Mapping) else ():
        if isinstance(collection, Mapping) and isinstance(collection.get("lists"), list):
            yield "manga" if "manga" in name.lower() else "anime", collection


def _entries(lists: list[Any]) -> Iterator[Mapping[str, Any]]:
    for one in lists:
        yield from one.get("entries") or () if isinstance(one, Mapping) else ()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _archived(line: int, row: Mapping[str, Any]) -> ListedRow:
    number = values.whole(row.get("status"), "status")
    if number >= len(_ARCHIVE_STATUS):
        raise ValueError(f"unknown status: {number}")
    kind = _ARCHIVE_TYPES[values.whole(row.get("series_type"), "type", most=1)]
    fields = {
        **_state(row, kind, _ARCHIVE_STATUS[number]),
        "score": values.hundred_point_score(row.get("score")),
        "started_at": values.day(row.get("started_on")),
        "finished_at": values.day(row.get("finished_on")),
        "volumes": values.volumes(row.get("progress_volume")) if kind == "manga" else None,
    }
    subject = values.subject(kind, None, anilist_id=values.ident(row.get("series_id"), "id"))
    return ListedRow(line, subject, fields)


def _listed(line: int, kind: MediaType, row: Mapping[str, Any], score: Score) -> ListedRow:
    media = row.get("media") or {}
    kind = "manga" if str(media.get("type") or kind).lower() == "manga" else "anime"
    fields = {
        **_state(row, kind, row.get("status")),
        "score": score(row.get("score")),
        "started_at": values.day(row.get("startedAt")),
        "finished_at": values.day(row.get("completedAt")),
        "volumes": values.volumes(row.get("progressVolumes")) if kind == "manga" else None,
    }
    titles = media.get("title") or {}
    subject = values.subject(
        kind,
        next((found for name in _TITLES if (found := values.text(titles.get(name)))), None),
        mal_id=values.ident(media.get("idMal"), "MyAnimeList id"),
        anilist_id=values.ident(media.get("id") or row.get("mediaId"), "AniList id"),
        total=values.whole(media.get("episodes") or media.get("chapters"), "total") or None,
        image_url=values.url((media.get("coverImage") or {}).get("large")),
    )
    return ListedRow(line, subject, fields)


_TITLES = ("userPreferred", "romaji", "english", "native")


def _state(row: Mapping[str, Any], kind: MediaType, word: Any) -> dict[str, Any]:
    progress = values.whole(row.get("progress"), "progress")
    status, _ = values.status(word, progress)
    return {
        "status": status,
        "is_rewatching": says_again(str(word)),
        "progress": progress,
        "rewatch_count": values.whole(row.get("repeat"), "repeat"),
        "notes": values.text(row.get("notes")),
        "is_private": bool(row.get("private")),
    }
