"""Our own JSON export, read again."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from app.external.lists import values
from app.external.lists.collecting import collected
from app.external.lists.mal_xml import is_carried
from app.external.lists.writer import FORMAT
from app.schemas.domain.library import EntryState
from app.schemas.domain.lists import ListedRow, ListFile

_TEXTS = ("notes", "title", "source", "format")
_URLS = ("cover_url", "site_url")
_STATE = frozenset(field.name for field in fields(EntryState))


def reads(document: Any) -> bool:
    return isinstance(document, Mapping) and document.get("format") == FORMAT


def read(document: Mapping[str, Any]) -> ListFile:
    entries = document["entries"]
    if not isinstance(entries, list):
        raise ValueError("entries is not a list")
    return collected("anisync", entries, _row)


def _row(line: int, row: Mapping[str, Any]) -> ListedRow:
    said = row["fields"]
    if not set(said) <= _STATE:
        raise ValueError(f"unknown fields: {', '.join(sorted(set(said) - _STATE))[:100]}")
    progress = values.whole(said.get("progress"), "progress")
    status, note = values.status(said.get("status"), progress)
    state = {
        "status": status,
        "progress": progress,
        "score": None if said.get("score") is None else values.whole(said["score"], "score", most=100),
        "rewatch_count": values.whole(said.get("rewatch_count"), "rewatch_count"),
        "volumes": values.volumes(said.get("volumes")),
        "max_progress": values.whole(said.get("max_progress"), "max_progress") or None,
        "is_rewatching": bool(said.get("is_rewatching")),
        "is_private": bool(said.get("is_private")),
        "started_at": values.day(said.get("started_at")),
        "finished_at": values.day(said.get("finished_at")),
        "tags": values.tag_list(said.get("tags")),
        "carried": _carried(said.get("carried") or {}),
        **{name: values.text(said.get(name)) for name in _TEXTS},
        **{name: values.url(said.get(name)) for name in _URLS},
    }
    subject = values.subject(
        "manga" if row["media_type"] == "manga" else "anime",
        values.text(row.get("title")),
        mal_id=values.ident(row.get("mal_id"), "mal_id"),
        anilist_id=values.ident(row.get("anilist_id"), "anilist_id"),
        total=values.whole(row.get("total"), "total") or None,
    )
    return ListedRow(line, subject, state, note=note)


def _carried(said: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What other services' files brought; nothing that could not be written into one again."""
    mal, kitsu = said.get("mal"), said.get("kitsu")
    kept: dict[str, dict[str, str]] = {}
    if mal is not None:
        kept["mal"] = {tag: values.text(text) or "" for tag, text in mal.items() if is_carried(tag)}
    if kitsu is not None:
        kept["kitsu"] = {"id": str(values.whole(kitsu["id"], "Kitsu id"))}
    return kept
