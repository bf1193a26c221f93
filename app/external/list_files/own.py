"""AniSync's own JSON export."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from app.external.list_files import scores
from app.external.list_files.collecting import collected
from app.external.list_files.details import RowReader, is_yes
from app.external.list_files.kinds import kind_of_word, stated
from app.external.list_files.mal_xml import carried_tags
from app.external.list_files.scores import Score
from app.external.list_files.writer import FORMAT
from app.schemas.domain.library import EntryState, MediaType
from app.schemas.domain.lists import ListedRow, ListFile
from app.utils.text.cleaning import clean_url

_TEXTS = ("title", "source", "format")
_URLS = ("cover_url", "site_url")
_STATE = frozenset(field.name for field in fields(EntryState))


def reads(document: Any) -> bool:
    return isinstance(document, Mapping) and document.get("format") == FORMAT


def read(document: Mapping[str, Any], asked: MediaType | None) -> ListFile:
    entries = document["entries"]
    if not isinstance(entries, list):
        raise ValueError("entries is not a list")
    return collected("anisync", entries, lambda line, row: _row(line, row, asked))


def _row(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    data = row["fields"]
    reader = RowReader()
    if not set(data) <= _STATE:
        reader.add_note(f"unknown fields: {', '.join(sorted(set(data) - _STATE))[:100]}")
    state = {
        "status": reader.status(data.get("status")),
        "progress": reader.count("progress", data.get("progress")),
        "rewatch_count": reader.rewatches(data.get("rewatch_count")),
        "volumes": reader.volumes(data.get("volumes")),
        "max_progress": reader.total(data.get("max_progress")),
        "is_rewatching": is_yes(data.get("is_rewatching")),
        "is_private": is_yes(data.get("is_private")),
        "started_at": reader.date("started_at", data.get("started_at")),
        "finished_at": reader.date("finished_at", data.get("finished_at")),
        "notes": reader.notes(data.get("notes")),
        "tags": reader.tags(data.get("tags")),
        "carried": _carried(reader, data.get("carried") or {}),
        **{name: reader.short_text(name, data.get(name)) for name in _TEXTS},
        **{name: clean_url(data.get(name)) for name in _URLS},
    }
    subject = reader.subject(
        stated(kind_of_word(row.get("media_type")), asked),
        reader.title(row.get("title")),
        mal_id=reader.identifier("mal_id", row.get("mal_id")),
        anilist_id=reader.identifier("anilist_id", row.get("anilist_id")),
        total=reader.total(row.get("total")),
    )
    return reader.row(line, subject, _score(reader, data.get("score")), state)


def _score(reader: RowReader, value: Any) -> Score | None:
    """A score of 0 is valid here, unlike elsewhere: unscored is null."""
    is_zero = value == 0 and not isinstance(value, bool)
    return Score(0, 0, 0) if is_zero else reader.score(value, scores.HUNDRED_POINTS)


def _carried(reader: RowReader, data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Carried fields of other services, validated so that they can be written back."""
    mal, kitsu = data.get("mal"), data.get("kitsu")
    kept: dict[str, dict[str, str]] = {}
    if mal is not None:
        kept["mal"] = carried_tags(reader, mal)
    if kitsu is not None and (number := reader.identifier("Kitsu id", kitsu["id"])) is not None:
        kept["kitsu"] = {"id": str(number)}
    return kept
