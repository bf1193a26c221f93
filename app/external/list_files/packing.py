"""A list file that was read, in a few bytes: what one process reads, another writes to the database."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

import orjson

from app.schemas.domain.library import Subject
from app.schemas.domain.lists import BadRow, ListedRow, ListFile

_ROW = [field.name for field in fields(ListedRow)]
_SUBJECT = [field.name for field in fields(Subject)]


class PackedList:
    """The rows of a file, good and bad, in its order; only those that are taken become objects."""

    def __init__(self, packed: bytes) -> None:
        head, *self._lines = zlib.decompress(packed).split(b"\n")
        self.source: str = orjson.loads(head)

    @staticmethod
    def pack(found: ListFile) -> bytes:
        rows: list[ListedRow | BadRow] = sorted([*found.rows, *found.bad], key=lambda row: row.line)
        lines = [orjson.dumps(found.source), *(orjson.dumps(_said(row)) for row in rows)]
        return zlib.compress(b"\n".join(lines), level=1)

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, start: int, count: int) -> list[ListedRow | BadRow]:
        """At most ``count`` rows after the first ``start``."""
        rows = orjson.loads(b"[" + b",".join(self._lines[start : start + count]) + b"]")
        return [_listed(row) for row in rows]


def _said(row: ListedRow | BadRow) -> dict[str, Any]:
    """The row without what is None, which it is anyway where nothing is said."""
    if isinstance(row, BadRow):
        return asdict(row)
    return _told(row, _ROW) | {
        "subject": _told(row.subject, _SUBJECT),
        "fields": _without_none(row.fields),
    }


def _told(item: Any, names: Iterable[str]) -> dict[str, Any]:
    return _without_none({name: getattr(item, name) for name in names})


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _listed(row: dict[str, Any]) -> ListedRow | BadRow:
    if "subject" not in row:
        return BadRow(**row)
    fields = row["fields"]
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    row["subject"] = Subject(**row["subject"])
    return ListedRow(**row)
