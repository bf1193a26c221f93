"""A list file of any service: unpacked within bounds, recognised by what is in it."""

import zlib
from typing import Any

import orjson

from app.errors import Invalid, PayloadTooLarge
from app.external.lists import anilist, kitsu, mal_xml, own, rates
from app.schemas.domain.lists import ListFile

_LARGEST = 100 * 1024 * 1024  # bytes, unpacked
_GZIP = b"\x1f\x8b"
_BLANK = b" \t\r\n\xef\xbb\xbf"
_SHAPES: tuple[Any, ...] = (own, anilist, kitsu, rates)


class UnreadableList(Invalid):
    default_message = "This is not a list of MyAnimeList, AniList, Kitsu or Shikimori."


def read_list(content: bytes) -> ListFile:
    """Every row of the file, in order; a broken row is named, a broken file raises.

    Raises :class:`UnreadableList`, or ``PayloadTooLarge`` for one that unpacks to more than 100 MiB.
    """
    content = _unpacked(content).lstrip(_BLANK)
    try:
        if content.startswith(b"<"):
            return mal_xml.read(content)
        document = orjson.loads(content.rstrip(b"\x00" + _BLANK))
    except ValueError as error:
        raise UnreadableList(f"The file cannot be read: {str(error)[:200]}.") from error
    for shape in _SHAPES:
        if shape.reads(document):
            found: ListFile = shape.read(document)
            return found
    raise UnreadableList


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, _LARGEST + 1)
    except zlib.error as error:
        raise UnreadableList("The gzip archive is damaged.") from error
    if len(unpacked) > _LARGEST:
        raise PayloadTooLarge("The archive unpacks to more than 100 MiB.")
    if not unpacker.eof:
        raise UnreadableList("The gzip archive is cut off.")
    return unpacked
