"""Write a list in formats that other services import."""

from collections.abc import Sequence
from typing import Any, Protocol
from xml.sax.saxutils import escape

import orjson

from app.external.list_files.mal_xml import ANILIST_ID, FORBIDDEN, MODELLED, title_tags
from app.schemas.domain.library import EntryStatus, MediaType
from app.schemas.domain.lists import ExportedEntry
from app.utils.text.spreadsheet import BYTE_ORDER_MARK, write_rows

FORMAT = "anisync-list"

_STATUS: dict[EntryStatus, str] = {
    "watching": "Watching",
    "completed": "Completed",
    "on_hold": "On-Hold",
    "dropped": "Dropped",
    "plan_to_watch": "Plan to Watch",
}
_MANGA_STATUS: dict[EntryStatus, str] = {**_STATUS, "watching": "Reading", "plan_to_watch": "Plan to Read"}
_TEXTS = frozenset(("series_title", "manga_title", "my_comments", "my_tags", "my_scanalation_group"))
_CSV_COLUMNS = (
    "type", "mal_id", "anilist_id", "title", "status", "score", "progress", "total", "volumes",
    "is_rewatching", "rewatch_count", "started_at", "finished_at", "tags", "notes", "is_private",
)  # fmt: skip


class ListWriter(Protocol):
    """Writes a list file in chunks: the beginning, batches of entries, the end."""

    def begin(self, total: int) -> bytes: ...

    def write(self, entries: Sequence[ExportedEntry]) -> bytes: ...

    def end(self) -> bytes: ...


class MalXmlWriter:
    """MyAnimeList's XML format; entries without a MyAnimeList id are identified by their titles.

    Scores are rounded half up to MyAnimeList's whole numbers.
    """

    def __init__(self, media_type: MediaType, username: str) -> None:
        self._media_type = media_type
        self._username = username

    def begin(self, total: int) -> bytes:
        kind = "1" if self._media_type == "anime" else "2"
        name = FORBIDDEN.sub("", self._username)
        return (
            f'<?xml version="1.0" encoding="UTF-8" ?>\n<myanimelist>\n<myinfo>\n'
            f"<user_name>{escape(name)}</user_name>\n<user_export_type>{kind}</user_export_type>\n"
            f"<user_total_{self._media_type}>{total}</user_total_{self._media_type}>\n</myinfo>\n"
        ).encode()

    def write(self, entries: Sequence[ExportedEntry]) -> bytes:
        return "".join(f"{_element(entry.media_type, _mal_row(entry))}\n" for entry in entries).encode()

    def end(self) -> bytes:
        return b"</myanimelist>\n"


def _mal_row(entry: ExportedEntry) -> dict[str, str]:
    """The tags of a row: carried tags of the imported file take precedence over ours about the title."""
    tags, state = MODELLED[entry.media_type], entry.fields
    about = title_tags(entry.media_type, entry.title, entry.total, entry.format)
    carried = state["carried"].get("mal", {})
    row = {
        tags["id"]: str(entry.mal_id or 0),
        **about,
        **{tag: text for tag, text in carried.items() if text or tag not in about},
        tags["progress"]: str(state["progress"]),
        tags["started_at"]: _mal_day(state["started_at"]),
        tags["finished_at"]: _mal_day(state["finished_at"]),
        tags["score"]: str(((state["score"] or 0) + 5) // 10),
        tags["status"]: (_STATUS if entry.media_type == "anime" else _MANGA_STATUS)[state["status"]],
        tags["notes"]: state["notes"] or "",
        tags["rewatch_count"]: str(state["rewatch_count"]),
        tags["tags"]: ", ".join(state["tags"]),
        tags["is_rewatching"]: _yes(state["is_rewatching"], entry.media_type),
        "update_on_import": "1",
    }
    if entry.media_type == "manga":
        row[tags["volumes"]] = str(state["volumes"] or 0)
    if entry.mal_id is None and entry.anilist_id is not None:
        row[ANILIST_ID] = str(entry.anilist_id)
    return row


def _element(kind: MediaType, row: dict[str, str]) -> str:
    legal = ((tag, FORBIDDEN.sub("", text)) for tag, text in row.items())
    lines = (f"<{tag}>{_text(text) if tag in _TEXTS else escape(text)}</{tag}>" for tag, text in legal)
    return f"<{kind}>\n" + "\n".join(lines) + f"\n</{kind}>"


def _text(text: str) -> str:
    inner = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
    return f"<![CDATA[{inner}]]>"


def _mal_day(day: str | None) -> str:
    """A date with zeros for unknown components."""
    return (day or "0000") + "-00" * (2 - (day or "").count("-"))


def _yes(value: bool, kind: MediaType) -> str:
    return ("1" if value else "0") if kind == "anime" else ("YES" if value else "NO")


class CsvWriter:
    """CSV with a header and one row per entry; scores are 0 to 10, tags comma-separated."""

    def begin(self, total: int) -> bytes:
        return BYTE_ORDER_MARK + write_rows([_CSV_COLUMNS])

    def write(self, entries: Sequence[ExportedEntry]) -> bytes:
        return write_rows([_cell(entry, column) for column in _CSV_COLUMNS] for entry in entries)

    def end(self) -> bytes:
        return b""


def _cell(entry: ExportedEntry, column: str) -> Any:
    if column in ("mal_id", "anilist_id", "title", "total"):
        return getattr(entry, column)
    if column == "type":
        return entry.media_type
    value = entry.fields[column]
    if column == "score":
        return None if value is None else value / 10
    return ", ".join(value) if column == "tags" else value


class JsonWriter:
    """All fields of each entry; :mod:`app.external.list_files.own` reads this format."""

    def __init__(self) -> None:
        self._separator = b""  # empty before the first entry

    def begin(self, total: int) -> bytes:
        return b'{"format":"%s","version":1,"entries":[' % FORMAT.encode()

    def write(self, entries: Sequence[ExportedEntry]) -> bytes:
        pieces: list[bytes] = []
        for entry in entries:
            pieces += [self._separator, b"\n", orjson.dumps(entry)]
            self._separator = b","
        return b"".join(pieces)

    def end(self) -> bytes:
        return b"\n]}\n"
