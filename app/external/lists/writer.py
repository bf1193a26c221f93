"""A list as files that other services read."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any
from xml.sax.saxutils import escape

import orjson

from app.external.lists.mal_xml import MODELLED, TITLE, TOTAL
from app.schemas.domain.library import EntryStatus, MediaType
from app.schemas.domain.lists import ExportedEntry

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
    carried = dict(state["carried"].get("mal", {}))
    row = {
        tags["id"]: str(entry.mal_id or 0),
        TITLE[entry.media_type]: carried.pop(TITLE[entry.media_type], None) or entry.title,
        TOTAL[entry.media_type]: carried.pop(TOTAL[entry.media_type], None) or str(entry.total or 0),
        **carried,
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
    if entry.media_type == "anime":
        row.setdefault("series_type", entry.format or "")
    else:
        row[tags["volumes"]] = str(state["volumes"] or 0)
    return row


def _element(kind: MediaType, row: dict[str, str]) -> str:
    lines = (f"<{tag}>{_text(text) if tag in _TEXTS else escape(text)}</{tag}>" for tag, text in row.items())
    return f"<{kind}>\n" + "\n".join(lines) + f"\n</{kind}>"


def _text(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def _mal_day(day: str | None) -> str:
    """MyAnimeList writes an unknown part as zeros."""
    return (day or "0000") + "-00" * (2 - (day or "").count("-"))


def _yes(value: bool, kind: MediaType) -> str:
    return ("1" if value else "0") if kind == "anime" else ("YES" if value else "NO")


def write_csv(entries: Sequence[ExportedEntry]) -> bytes:
    """One row an entry, with a header; scores are 0 to 10, tags a comma list."""
    out = StringIO()
    table = csv.writer(out)
    table.writerow(_CSV_COLUMNS)
    for entry in entries:
        table.writerow([_cell(entry, column) for column in _CSV_COLUMNS])
    return out.getvalue().encode()


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
