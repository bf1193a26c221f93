"""A compact serialisation of a parsed list file, to pass it from the parser process to the importer."""

import zlib
from typing import Any

import orjson

from app.schemas.domain.library import Subject
from app.schemas.domain.lists import BadRow, ListedRow, ListFile


class PackedList:
    """The good and bad rows of a file in order; only the rows taken are deserialised."""

    def __init__(self, packed: bytes) -> None:
        head, *self._lines = zlib.decompress(packed).split(b"\n")
        self.source: str = orjson.loads(head)

    @staticmethod
    def pack(found: ListFile) -> bytes:
        rows: list[ListedRow | BadRow] = sorted([*found.rows, *found.bad], key=lambda row: row.line)
        return zlib.compress(b"\n".join(orjson.dumps(line) for line in [found.source, *rows]), level=1)

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, start: int, count: int) -> list[ListedRow | BadRow]:
        """Up to ``count`` rows from position ``start``."""
        return [_listed(orjson.loads(line)) for line in self._lines[start : start + count]]


def _listed(row: dict[str, Any]) -> ListedRow | BadRow:
    if "subject" not in row:
        return BadRow(**row)
    fields = row["fields"]
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    row["subject"] = Subject(**row["subject"])
    return ListedRow(**row)
