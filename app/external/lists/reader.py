"""A list file of any service: unpacked within bounds, recognised by what is in it."""

from typing import Any

import orjson

from app.external.lists import anilist, kitsu, mal_xml, own, rates
from app.external.lists.unpacking import UnreadableList, unpacked
from app.schemas.domain.lists import ListFile

_BLANK = b" \t\r\n\xef\xbb\xbf"
_SHAPES: tuple[Any, ...] = (own, anilist, kitsu, rates)


def read_list(content: bytes) -> ListFile:
    """Every row of the file, in order; a broken row is named, a broken file raises.

    Raises :class:`UnreadableList`, or ``PayloadTooLarge`` for one that unpacks to more than can be a list.
    """
    content = unpacked(content).lstrip(_BLANK)
    try:
        if content.startswith(b"<"):
            return mal_xml.read(content)
        document = orjson.loads(content.rstrip(b"\x00" + _BLANK))
    except ValueError as error:
        raise UnreadableList(f"The file cannot be read: {str(error)[:200]}.") from error
    try:
        for shape in _SHAPES:
            if shape.reads(document):
                found: ListFile = shape.read(document)
                return found
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableList from error  # it begins like such a list, and goes on otherwise
    raise UnreadableList
