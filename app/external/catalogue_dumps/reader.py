"""Read a dump file as titles: the format is detected from the content, rows are mapped one by one."""

from collections.abc import Iterator
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from app.errors import DumpUnreadable
from app.external.catalogue_dumps import lines, manga, offline_database, own, relations
from app.external.catalogue_dumps.blocks import Blocks
from app.external.catalogue_dumps.document import Document
from app.external.catalogue_dumps.fields import InvalidRow, Notes, UnusableRow, require_storable
from app.schemas.domain.anime import NameSource, UpstreamAnime
from app.schemas.domain.dumps import DumpFault, DumpManga, DumpRelation, DumpRow, DumpTitle
from app.utils.text.cleaning import partial_date

_SNIFFED = 64 * 1024  # bytes
_HEAD_KEYS = {"lastUpdate", "license", "repository", "scoreRange", "$schema"}
_ROW_KEYS = {"title", "sources", "mal_id", "anilist_id", *relations.KEYS}


class Dump:
    """An open dump. Methods block: call them in a thread, one at a time. Raises :class:`DumpUnreadable`.

    ``dated`` is the date of the dump, if it states one; ``source`` is the format of its rows, once some have
    been read.
    """

    def __init__(self, path: Path) -> None:
        self.dated: date | None = None
        self.source: NameSource = "dump"
        self._blocks = Blocks(path)
        self._notes = Notes()
        self._fault: DumpUnreadable | None = None
        self._is_of_manga: bool | None = None  # according to its first title
        try:
            self._rows = self._opened(path)
        except DumpUnreadable:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._blocks.size

    @property
    def consumed(self) -> int:
        """Bytes read from disk so far."""
        return self._blocks.read

    def read(self, max_rows: int) -> list[DumpRow]:
        """Up to ``max_rows`` more rows, none at the end; a fault is raised after the rows before it."""
        if self._fault is not None:
            raise self._fault
        rows: list[DumpRow] = []
        try:
            for line, value, suspect in islice(self._rows, max_rows):
                rows.append(self._mapped(line, value, suspect))
        except DumpUnreadable as fault:
            if not rows:
                raise
            self._fault = fault
        return rows

    def close(self) -> None:
        self._blocks.close()

    def _opened(self, path: Path) -> Iterator[tuple[int, Any, bool]]:
        blocks = iter(self._blocks)
        head = b""
        while len(head) < _SNIFFED and (block := next(blocks, b"")):
            head += block
        blocks = chain([head], blocks)
        if not _is_lines(path, head):
            document = Document(blocks, str(path))
            self._take_head(document.head())
            return document.rows()
        rows = lines.rows(blocks)
        first = next(rows, None)
        if first is None:
            return rows
        if isinstance(first[1], dict) and "title" not in first[1] and not _HEAD_KEYS.isdisjoint(first[1]):
            self._take_head(first[1])
            return rows
        return chain([first], rows)

    def _take_head(self, head: dict[str, Any]) -> None:
        stated = partial_date(str(head.get("lastUpdate", "")))
        if stated is not None and len(stated) == 10:
            self.dated = date.fromisoformat(stated)
        elif "lastUpdate" in head:
            self._notes.log("dump.unknown_date", "lastUpdate", str(head["lastUpdate"]))

    def _mapped(self, line: int, value: Any, suspect: bool) -> DumpRow:
        if isinstance(value, DumpFault):
            return value
        if not isinstance(value, dict):
            return DumpFault(line, "not an object")
        try:
            if suspect:
                require_storable("the row", value)
            if value.keys() >= relations.KEYS:
                return DumpRelation(line, relations.to_relation(value))
            if self._lists_manga(value):
                return DumpManga(line, manga.to_manga(value))
            return DumpTitle(line, self._anime(value))
        except InvalidRow as fault:
            return DumpFault(line, str(fault))
        except UnusableRow as fault:
            return DumpFault(line, str(fault), "skipped")

    def _anime(self, row: dict[str, Any]) -> UpstreamAnime:
        if "sources" not in row or not row.keys().isdisjoint({"mal_id", "anilist_id"}):
            return own.to_anime(row, self._notes)
        self.source = "offline_database"
        return offline_database.to_anime(row, self._notes)

    def _lists_manga(self, row: dict[str, Any]) -> bool:
        """Whether the row is a manga: by its own type, or otherwise by that of the first title."""
        told = manga.is_manga(row)
        if self._is_of_manga is None:
            self._is_of_manga = told
        return told or (self._is_of_manga and row.get("type") is None)


def _is_lines(path: Path, head: bytes) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".jsonl" in suffixes or ".ndjson" in suffixes:
        return True
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return path.suffix.lower() != ".json"
    try:
        first = orjson.loads(text.partition(b"\n")[0])
    except orjson.JSONDecodeError:
        return False
    if not isinstance(first, dict) or isinstance(first.get("data"), list):
        return False
    return not (_ROW_KEYS | _HEAD_KEYS).isdisjoint(first)
