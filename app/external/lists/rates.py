"""JSON of Shikimori (export and API) and of MyAnimeList (API and the list page)."""

from collections.abc import Mapping
from typing import Any

from app.external.lists import values
from app.external.lists.collecting import collected
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile
from app.schemas.words import says_again

_KINDS: tuple[MediaType, ...] = ("anime", "manga")


def reads(document: Any) -> bool:
    return _rows(document) is not None


def read(document: Any) -> ListFile:
    rows = _rows(document) or []
    source = "shikimori" if any("rewatches" in row for row in rows if isinstance(row, Mapping)) else "mal"
    return collected(source, rows, _listed)


def _rows(document: Any) -> list[Any] | None:
    rows = document.get("data") if isinstance(document, Mapping) else document
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
        return None
    return rows if any(name in rows[0] for name in _SHAPES) else None


def _listed(line: int, row: Mapping[str, Any]) -> ListedRow:
    for name, shape in _SHAPES.items():
        if name in row:
            listed: ListedRow = shape(line, row)
            return listed
    raise ValueError("the row names no title")


def _exported(line: int, row: Mapping[str, Any]) -> ListedRow:
    """Shikimori's export."""
    kind = str(row.get("target_type") or "").lower()
    if kind not in _KINDS:
        raise ValueError("the row says neither Anime nor Manga")
    subject = values.subject(
        "manga" if kind == "manga" else "anime",
        values.text(row.get("target_title")),
        mal_id=values.ident(row.get("target_id"), "id"),
    )
    return _shikimori(line, row, subject)


def _rated(line: int, row: Mapping[str, Any]) -> ListedRow:
    """A user rate of Shikimori's API."""
    kind: MediaType = "anime" if row.get("anime") else "manga"
    about = row.get(kind)
    if not isinstance(about, Mapping):
        raise ValueError("the row names neither an anime nor a manga")
    total = about.get("episodes") if kind == "anime" else about.get("chapters")
    subject = values.subject(
        kind,
        values.text(about.get("name")),
        mal_id=values.ident(about.get("id"), "id"),
        total=values.whole(total, "total") or None,
    )
    return _shikimori(line, row, subject)


def _shikimori(line: int, row: Mapping[str, Any], subject: Any) -> ListedRow:
    counted = "episodes" if subject.media_type == "anime" else "chapters"
    progress = values.whole(row.get(counted), counted)
    if not row.get("status"):
        raise ValueError("the row states no status")
    status, note = values.status(row["status"], progress)
    fields = {
        "status": status,
        "is_rewatching": says_again(str(row["status"])),
        "progress": progress,
        "score": values.ten_point_score(row.get("score")),
        "rewatch_count": values.whole(row.get("rewatches"), "rewatches"),
        "notes": values.text(row.get("text")),
    }
    if subject.media_type == "manga":
        fields["volumes"] = values.volumes(row.get("volumes"))
    return ListedRow(line, subject, fields, rounded_score=True, note=note)


def _mal_api(line: int, row: Mapping[str, Any]) -> ListedRow:
    """A row of MyAnimeList's API."""
    said, node = row["list_status"], row["node"]
    kind: MediaType = "manga" if "num_chapters_read" in said else "anime"
    again, counted, times = _MAL_API[kind]
    progress = values.whole(said.get(counted), "progress")
    status, note = values.status(said.get("status"), progress)
    fields = {
        "status": status,
        "is_rewatching": bool(said.get(again)),
        "progress": progress,
        "score": values.ten_point_score(said.get("score")),
        "rewatch_count": values.whole(said.get(times), "times seen"),
        "notes": values.text(said.get("comments")),
        "tags": values.tags(",".join(said.get("tags") or ())),
        "started_at": values.day(said.get("start_date")),
        "finished_at": values.day(said.get("finish_date")),
    }
    if kind == "manga":
        fields["volumes"] = values.volumes(said.get("num_volumes_read"))
    picture = node.get("main_picture") or {}
    subject = values.subject(
        kind,
        values.text(node.get("title")),
        mal_id=values.ident(node.get("id"), "id"),
        total=values.whole(node.get("num_episodes") or node.get("num_chapters"), "total") or None,
        image_url=values.url(picture.get("large") or picture.get("medium")),
    )
    return ListedRow(line, subject, fields, rounded_score=True, note=note)


_MAL_API = {
    "anime": ("is_rewatching", "num_episodes_watched", "num_times_rewatched"),
    "manga": ("is_rereading", "num_chapters_read", "num_times_reread"),
}


def _mal_page(kind: MediaType) -> Any:
    """A row of the list page of MyAnimeList."""
    again, counted, total = _MAL_PAGE[kind]

    def listed(line: int, row: Mapping[str, Any]) -> ListedRow:
        progress = values.whole(row.get(counted), "progress")
        status, note = values.status(row.get("status"), progress)
        fields = {
            "status": status,
            "is_rewatching": bool(row.get(again)),
            "progress": progress,
            "score": values.ten_point_score(row.get("score")),
            "tags": values.tags(row.get("tags")),
            "started_at": values.day(row.get("start_date_string")),
            "finished_at": values.day(row.get("finish_date_string")),
        }
        subject = values.subject(
            kind,
            values.text(str(row.get(f"{kind}_title") or "")),
            mal_id=values.ident(row.get(f"{kind}_id"), "id"),
            total=values.whole(row.get(total), "total") or None,
            image_url=values.url(row.get(f"{kind}_image_path")),
        )
        return ListedRow(line, subject, fields, rounded_score=True, note=note)

    return listed


_MAL_PAGE = {
    "anime": ("is_rewatching", "num_watched_episodes", "anime_num_episodes"),
    "manga": ("is_rereading", "num_read_chapters", "manga_num_chapters"),
}
# By a key that only this shape has.
_SHAPES = {
    "target_id": _exported,
    "list_status": _mal_api,
    "anime_title": _mal_page("anime"),
    "manga_title": _mal_page("manga"),
    "rewatches": _rated,
}
