"""Read a list file of any supported service, detected from the content."""

from dataclasses import replace
from typing import Any

import orjson

from app.external.list_files import anilist, kitsu, mal_xml, own, rates
from app.external.list_files.unpacking import UnreadableList, unpacked
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile

_BLANK = b" \t\r\n\xef\xbb\xbf"
_SHAPES: tuple[Any, ...] = (own, anilist, kitsu, rates)


def read_list(content: bytes, media_type: MediaType | None = None) -> ListFile:
    """Parse a list file; invalid rows are listed, an invalid file raises.

    ``media_type`` is the kind the user states, for files that do not state it.

    Raises :class:`UnreadableList` (``UnknownKind`` if neither states the kind), or ``PayloadTooLarge`` if the
    unpacked file exceeds the limits.
    """
    content = unpacked(content).lstrip(_BLANK)
    try:
        if content.startswith(b"<"):
            return _check_kind(media_type, mal_xml.read(content))
        document = orjson.loads(content.rstrip(b"\x00" + _BLANK))
    except ValueError as error:
        raise UnreadableList(f"The file cannot be parsed: {str(error)[:200]}.") from error
    try:
        for shape in _SHAPES:
            if shape.reads(document):
                found: ListFile = shape.read(document, media_type)
                return _check_kind(media_type, found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableList from error  # the format was recognised, but its structure is wrong
    raise UnreadableList


def _check_kind(asked: MediaType | None, found: ListFile) -> ListFile:
    """Add a note to each row whose kind differs from the one the user stated."""
    if asked is None:
        return found
    rows = [row if row.subject.media_type == asked else _noted(row) for row in found.rows]
    return replace(found, rows=rows)


def _noted(row: ListedRow) -> ListedRow:
    note = f"the file says that this is {row.subject.media_type}"
    return replace(row, note=f"{row.note}; {note}" if row.note else note)
