"""JSON of Shikimori (export and API) and of MyAnimeList (API and list page)."""

from collections.abc import Mapping
from typing import Any

from app.external.list_files import scores
from app.external.list_files.collecting import collected
from app.external.list_files.details import RowReader, as_object, is_yes
from app.external.list_files.kinds import kind_of_keys, kind_of_url, kind_of_word, stated
from app.schemas.domain.library import MediaType, Subject
from app.schemas.domain.lists import ListedRow, ListFile
from app.schemas.words import means_rewatching
from app.utils.text.cleaning import clean_url

_KINDS: tuple[MediaType, ...] = ("anime", "manga")
_COUNTED: dict[MediaType, tuple[str, ...]] = {"anime": ("episodes",), "manga": ("chapters", "volumes")}


def reads(document: Any) -> bool:
    return _rows(document) is not None


def read(document: Any, asked: MediaType | None) -> ListFile:
    rows = _rows(document) or []
    source = "shikimori" if any("rewatches" in row for row in rows if isinstance(row, Mapping)) else "mal"
    of_page = kind_of_url(_page(document))
    return collected(source, rows, lambda line, row: _listed(line, row, of_page or asked))


def _rows(document: Any) -> list[Any] | None:
    rows = document.get("data") if isinstance(document, Mapping) else document
    if not isinstance(rows, list):
        return None
    known = (name in row for row in rows if isinstance(row, Mapping) for name in _SHAPES)
    return rows if not rows or any(known) else None


def _page(document: Any) -> Any:
    """The URL of another page of a MyAnimeList response, which tells the kind of the list."""
    paging = as_object(document.get("paging")) if isinstance(document, Mapping) else {}
    return paging.get("next") or paging.get("previous")


def _listed(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    for name, shape in _SHAPES.items():
        if name in row:
            listed: ListedRow = shape(line, row, asked)
            return listed
    raise ValueError("the row has no title")


def _exported(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    """A row of Shikimori's export, or a user rate of its API without the title."""
    reader = RowReader()
    kind = stated(kind_of_word(row.get("target_type")), kind_of_keys(row, _COUNTED), asked)
    subject = reader.subject(
        kind,
        reader.title(row.get("target_title"), row.get("target_title_ru")),
        mal_id=reader.identifier("id", row.get("target_id")),
    )
    return _shikimori(line, row, reader, subject)


def _rated(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    """A user rate of Shikimori's API that includes the title."""
    kind = next((kind for kind in _KINDS if as_object(row.get(kind))), None)
    if kind is None:
        raise ValueError("the row has neither an anime nor a manga")
    about = as_object(row.get(kind))
    reader = RowReader()
    subject = reader.subject(
        kind,
        reader.title(about.get("name"), about.get("russian")),
        mal_id=reader.identifier("id", about.get("id")),
        total=reader.total(about.get("episodes"), about.get("chapters")),
    )
    return _shikimori(line, row, reader, subject)


def _shikimori(line: int, row: Mapping[str, Any], reader: RowReader, subject: Subject) -> ListedRow:
    is_manga = subject.media_type == "manga"
    counted = "chapters" if is_manga else "episodes"
    fields = {
        "status": reader.status(row.get("status")),
        "is_rewatching": means_rewatching(str(row.get("status"))),
        "progress": reader.count(counted, row.get(counted)),
        "volumes": reader.volumes(row.get("volumes")) if is_manga else None,
        "rewatch_count": reader.rewatches(row.get("rewatches")),
        "notes": reader.notes(row.get("text")),
    }
    return reader.row(line, subject, reader.score(row.get("score"), scores.TEN_POINTS), fields)


_MAL_API: dict[MediaType, dict[str, tuple[str, ...]]] = {
    "anime": {
        "again": ("is_rewatching",),
        "progress": ("num_episodes_watched", "num_watched_episodes"),
        "times": ("num_times_rewatched",),
        "statuses": ("watching", "plan_to_watch"),
        "of_title": ("num_episodes",),
    },
    "manga": {
        "again": ("is_rereading",),
        "volumes": ("num_volumes_read",),
        "progress": ("num_chapters_read",),
        "times": ("num_times_reread",),
        "statuses": ("reading", "plan_to_read"),
        "of_title": ("num_chapters", "num_volumes"),
    },
}
_STATE_KEYS = {
    kind: keys["again"] + keys["progress"] + keys["times"] + keys.get("volumes", ())
    for kind, keys in _MAL_API.items()
}
_TITLE_KEYS = {kind: keys["of_title"] for kind, keys in _MAL_API.items()}


def _mal_api(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    """A row of MyAnimeList's official API."""
    node = as_object(row.get("node"))
    data = as_object(row.get("list_status") or node.get("my_list_status"))
    picture = as_object(node.get("main_picture"))
    image_url = picture.get("large") or picture.get("medium")
    kind = stated(
        kind_of_word(node.get("media_type")),
        kind_of_keys(data, _STATE_KEYS),
        kind_of_keys(node, _TITLE_KEYS),
        next((kind for kind, keys in _MAL_API.items() if data.get("status") in keys["statuses"]), None),
        kind_of_url(image_url),
        asked,
    )
    reader, keys = RowReader(), _MAL_API[kind]
    fields = {
        "status": reader.status(data.get("status")),
        "is_rewatching": is_yes(data.get(keys["again"][0])),
        "progress": reader.count(
            "progress", next((data[key] for key in keys["progress"] if key in data), None)
        ),
        "volumes": reader.volumes(data.get("num_volumes_read")) if kind == "manga" else None,
        "rewatch_count": reader.rewatches(data.get(keys["times"][0])),
        "notes": reader.notes(data.get("comments")),
        "tags": reader.tags(data.get("tags")),
        "started_at": reader.date("start date", data.get("start_date")),
        "finished_at": reader.date("finish date", data.get("finish_date")),
    }
    subject = reader.subject(
        kind,
        reader.title(node.get("title")),
        mal_id=reader.identifier("id", node.get("id")),
        total=reader.total(node.get("num_episodes"), node.get("num_chapters")),
        image_url=clean_url(image_url),
    )
    return reader.row(line, subject, reader.score(data.get("score"), scores.TEN_POINTS), fields)


def _mal_page(kind: MediaType) -> Any:
    """The mapper for rows of MyAnimeList's list page."""
    again, counted, total = _MAL_PAGE[kind]

    def listed(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
        reader = RowReader()
        fields = {
            "status": reader.status(row.get("status")),
            "is_rewatching": is_yes(row.get(again)),
            "progress": reader.count("progress", row.get(counted)),
            "volumes": reader.volumes(row.get("num_read_volumes")) if kind == "manga" else None,
            "tags": reader.tags(row.get("tags")),
            "started_at": reader.date("start date", row.get("start_date_string")),
            "finished_at": reader.date("finish date", row.get("finish_date_string")),
        }
        subject = reader.subject(
            kind,
            reader.title(row.get(f"{kind}_title")),
            mal_id=reader.identifier("id", row.get(f"{kind}_id")),
            total=reader.total(row.get(total)),
            image_url=clean_url(row.get(f"{kind}_image_path")),
        )
        return reader.row(line, subject, reader.score(row.get("score"), scores.TEN_POINTS), fields)

    return listed


_MAL_PAGE = {
    "anime": ("is_rewatching", "num_watched_episodes", "anime_num_episodes"),
    "manga": ("is_rereading", "num_read_chapters", "manga_num_chapters"),
}
# The mapper of a row by a key that only its format has.
_SHAPES = {
    "target_id": _exported,
    "target_title": _exported,
    "list_status": _mal_api,
    "node": _mal_api,
    "anime_title": _mal_page("anime"),
    "manga_title": _mal_page("manga"),
    "rewatches": _rated,
}
