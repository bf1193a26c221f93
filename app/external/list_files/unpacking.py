"""Decompress an uploaded file within bounds, and convert it to UTF-8."""

import re
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE

from app.errors import Invalid, PayloadTooLarge

_LARGEST = 100 * 1024 * 1024  # bytes, unpacked
# Each of these marks costs a parser many times its size in memory; a list of 50,000 entries has fewer.
_MOST_MARKS = {b"<": 4_000_000, b"&": 2_000_000, b"{": 2_000_000, b"[": 2_000_000, b",": 12_000_000}
_GZIP = b"\x1f\x8b"
_MOST_LAYERS = 2  # of gzip; browsers and users compress files that already are
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.-]{1,40})["']""")
# Characters of Windows-1252 in the range of the C1 control characters, which no text contains.
_WINDOWS = {byte: text for byte in range(0x80, 0xA0) if (text := bytes([byte]).decode("cp1252", "ignore"))}
_STRAY = {0xDC00 + byte: _WINDOWS.get(byte, chr(byte)) for byte in range(0x80, 0x100)}
_LATIN = re.compile(r"(iso-?8859-?1|latin-?1)", re.IGNORECASE)  # decoded as Windows-1252, as browsers do
# The encodings lists come in; some other Python codecs do not decode text, or are decompression bombs.
_TRUSTED = re.compile(
    r"(iso-?8859-\d+|latin-?1|windows-125\d|cp125\d|koi8-[ru]|shift_jis|euc-(jp|kr)|gb(k|2312|18030)|big5)",
    re.IGNORECASE,
)


class UnreadableList(Invalid):
    default_message = "This is not a list of MyAnimeList, AniList, Kitsu or Shikimori."


def unpacked(content: bytes) -> bytes:
    """The content as UTF-8; raises :class:`UnreadableList`, or ``PayloadTooLarge`` beyond the limits."""
    for _ in range(_MOST_LAYERS):
        if not content.startswith(_GZIP):
            break
        content = _inflated(content)
    if any(content.count(mark) > limit for mark, limit in _MOST_MARKS.items()):
        raise PayloadTooLarge("The file has more elements than a list of 50,000 entries.")
    return _utf8(content)


def _inflated(content: bytes) -> bytes:
    parts: list[bytes] = []
    room = _LARGEST
    while content.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(content, room + 1))
        except zlib.error as error:
            raise UnreadableList("The gzip archive is corrupt.") from error
        room -= len(parts[-1])
        if room < 0:
            raise PayloadTooLarge("The archive unpacks to more than 100 MiB.")
        if not unpacker.eof:
            raise UnreadableList("The gzip archive is truncated.")
        content = unpacker.unused_data
    return b"".join(parts)


def _utf8(content: bytes) -> bytes:
    if wide := _wide(content[:2]):
        return content.decode(wide, "replace").encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        return _narrow(content).encode()
    return content


def _wide(start: bytes) -> str | None:
    if start in (BOM_UTF16_LE, BOM_UTF16_BE):
        return "utf-16"
    if len(start) == 2 and 0 in start and any(start):
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return None


def _narrow(content: bytes) -> str:
    """Decode by the declared encoding, otherwise as UTF-8 with stray bytes of Windows-1252."""
    declared = _DECLARED.match(content)
    name = declared[1].decode() if declared else ""
    if _LATIN.fullmatch(name):
        return content.decode("latin-1").translate(_WINDOWS)
    if _TRUSTED.fullmatch(name):
        return content.decode(name, "replace")
    return content.decode("utf-8", "surrogateescape").translate(_STRAY)
