"""Parse a list file from stdin in a resource-limited process, and write its packed rows to stdout."""

# Run by app/services/library/reading.py. Errors are reported by the exit codes below, with the message on
# stdout. Argument 1 is the maximum unpacked size in bytes, 0 for no limit; argument 2, which may be empty,
# is the kind of title for files that do not state it.

import os
import sys
from typing import get_args

from app.errors import PayloadTooLarge
from app.external.list_files.kinds import UnknownKind
from app.external.list_files.packing import PackedList
from app.external.list_files.reader import read_list
from app.external.list_files.unpacking import UnreadableList, unpacked
from app.schemas.domain.library import MediaType

# Exit codes. NOT_READ: larger than argument 1 allows.
UNREADABLE, TOO_LARGE, NOT_READ, UNKNOWN_KIND = 3, 4, 5, 6

_MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space
_CPU = 60  # seconds
_NICE = 5
_BEGINNINGS = (b"<", b"{", b"[")
_BLANK = b" \t\r\n\xef\xbb\xbf"


def main() -> int:
    _limit_resources()
    try:
        return _read(sys.stdin.buffer.read(), int(sys.argv[1]), _media_type(sys.argv[2]))
    except UnknownKind:
        return UNKNOWN_KIND
    except UnreadableList as error:
        sys.stdout.buffer.write(error.message.encode("utf-8", "replace"))
        return UNREADABLE
    except PayloadTooLarge as error:
        sys.stdout.buffer.write(error.message.encode())
        return TOO_LARGE


def _media_type(word: str) -> MediaType | None:
    return next((kind for kind in get_args(MediaType) if kind == word), None)


def _read(content: bytes, largest: int, media_type: MediaType | None) -> int:
    if largest and len(plain := unpacked(content)) > largest:
        if not plain[:1000].lstrip(_BLANK).startswith(_BEGINNINGS):
            raise UnreadableList
        return NOT_READ
    sys.stdout.buffer.write(PackedList.pack(read_list(content, media_type)))
    return 0


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
