"""A compact serialisation of a parsed list file, to pass it from the parser process to the importer."""

import zlib
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import orjson

from app.schemas.domain.library import Subject
from app.schemas.domain.lists import BadRow, ListedRow, ListFile

_ROW = [field.name for field in fields(ListedRow)]
_SUBJECT = [field.name for field in fields(Subject)]


class PackedList:
    """The good and bad rows of a file in order; only the rows taken are deserialised."""

    def __init__(self, packed: bytes) -> None:
        head, *self._lines = zlib.decompress(packed).split(b"\n")
        self.source: str = orjson.loads(head)

    @staticmethod
    def pack(found: ListFile) -> bytes:
        rows: list[ListedRow | BadRow] = sorted([*found.rows, *found.bad], key=lambda row: row.line)
        lines = [orjson.dumps(found.source), *(orjson.dumps(_compact(row)) for row in rows)]
        return zlib.compress(b"\n".join(lines), level=1)

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, start: int, count: int) -> list[ListedRow | BadRow]:
        """Up to ``count`` rows from position ``start``."""
        rows = orjson.loads(b"[" + b",".join(self._lines[start : start + count]) + b"]")
        return [_listed(row) for row in rows]


def _compact(row: ListedRow | BadRow) -> dict[str, Any]:
    """The row without its null fields, which are shorter to store and quicker to read when left out."""
    if isinstance(row, BadRow):
        return asdict(row)
    return _not_null(row, _ROW) | {
        "subject": _not_null(row.subject, _SUBJECT),
        "fields": {name: value for name, value in row.fields.items() if value is not None},
    }


def _not_null(item: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(item, name)) is not None}


def _listed(row: dict[str, Any]) -> ListedRow | BadRow:
    if "subject" not in row:
        return BadRow(**row)
    fields = row["fields"]
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    row["subject"] = Subject(**row["subject"])
    return ListedRow(**row)
