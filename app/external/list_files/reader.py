"""A list file of any service: unpacked within bounds, recognised by what is in it."""

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
    """Every row of the file, in order; a broken row is named, a broken file raises.

    ``media_type`` is what the person says that a file lists which does not say so itself.

    Raises :class:`UnreadableList` (``UnknownKind`` where nobody says anime or manga), or ``PayloadTooLarge``
    for one that unpacks to more than can be a list.
    """
    content = unpacked(content).lstrip(_BLANK)
    try:
        if content.startswith(b"<"):
            return _against(media_type, mal_xml.read(content))
        document = orjson.loads(content.rstrip(b"\x00" + _BLANK))
    except ValueError as error:
        raise UnreadableList(f"The file cannot be read: {str(error)[:200]}.") from error
    try:
        for shape in _SHAPES:
            if shape.reads(document):
                found: ListFile = shape.read(document, media_type)
                return _against(media_type, found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableList from error  # it begins like such a list, and goes on otherwise
    raise UnreadableList


def _against(asked: MediaType | None, found: ListFile) -> ListFile:
    """The file, with a note at each row that says another kind than the person did."""
    if asked is None:
        return found
    rows = [row if row.subject.media_type == asked else _noted(row) for row in found.rows]
    return replace(found, rows=rows)


def _noted(row: ListedRow) -> ListedRow:
    note = f"the file says that this is of {row.subject.media_type}"
    return replace(row, note=f"{row.note}; {note}" if row.note else note)
