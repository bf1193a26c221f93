"""A list as files that other services read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape

import orjson

from app.external.lists.mal_xml import ANILIST_ID, FORBIDDEN, MODELLED, title_tags
from app.schemas.domain.library import EntryStatus, MediaType
from app.schemas.domain.lists import ExportedEntry
from app.utils.spreadsheet import write_rows

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


def write_mal_xml(entries: Sequence[ExportedEntry], media_type: MediaType, username: str) -> bytes:
    """MyAnimeList's export; entries without a MyAnimeList id stand in it by their titles.

    Scores are rounded half up to whole numbers, which is all that MyAnimeList has.
    """
    kind = "1" if media_type == "anime" else "2"
    rows = "\n".join(_element(media_type, _mal_row(entry)) for entry in entries)
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<myanimelist>\n<myinfo>\n'
        f"<user_name>{escape(username)}</user_name>\n<user_export_type>{kind}</user_export_type>\n"
        f"<user_total_{media_type}>{len(entries)}</user_total_{media_type}>\n</myinfo>\n{rows}\n"
        f"</myanimelist>\n"
    ).encode()


def _mal_row(entry: ExportedEntry) -> dict[str, str]:
    """The tags of a row: what an import brought and we do not model, then what we know."""
    tags, state = MODELLED[entry.media_type], entry.fields
    ours = title_tags(entry.media_type, entry.title, entry.total, entry.format)
    theirs = state["carried"].get("mal", {})
    row = {
        tags["id"]: str(entry.mal_id or 0),
        **ours,
        **{tag: text for tag, text in theirs.items() if text or tag not in ours},
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
    """MyAnimeList writes an unknown part as zeros."""
    return (day or "0000") + "-00" * (2 - (day or "").count("-"))


def _yes(value: bool, kind: MediaType) -> str:
    return ("1" if value else "0") if kind == "anime" else ("YES" if value else "NO")


def write_csv(entries: Sequence[ExportedEntry]) -> bytes:
    """One row an entry, with a header; scores are 0 to 10, tags a comma list."""
    cells = ([_cell(entry, column) for column in _CSV_COLUMNS] for entry in entries)
    return write_rows([_CSV_COLUMNS, *cells])


def _cell(entry: ExportedEntry, column: str) -> Any:
    if column in ("mal_id", "anilist_id", "title", "total"):
        return getattr(entry, column)
    if column == "type":
        return entry.media_type
    value = entry.fields[column]
    if column == "score":
        return None if value is None else value / 10
    return ", ".join(value) if column == "tags" else value


def write_json(entries: Sequence[ExportedEntry]) -> bytes:
    """Everything that we know of each entry; :mod:`app.external.lists.own` reads it again."""
    rows = [{**asdict(entry), "fields": dict(entry.fields)} for entry in entries]
    return orjson.dumps({"format": FORMAT, "version": 1, "entries": rows}, option=orjson.OPT_INDENT_2)
