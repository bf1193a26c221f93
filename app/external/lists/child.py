"""Read a list file from standard input, confined, and write its packed rows to standard output."""

# Run by app/services/library/reading.py. What is wrong with the file is the output, with one of the exit
# codes below. The one argument is the largest size, unpacked, in bytes, that is read at all; 0: any size.

import os
import sys

from app.errors import PayloadTooLarge
from app.external.lists.packing import PackedList
from app.external.lists.reader import read_list
from app.external.lists.unpacking import UnreadableList, unpacked

UNREADABLE, TOO_LARGE, NOT_READ = 3, 4, 5  # exit codes; the last: larger than the argument allows

_MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space
_CPU = 60  # seconds
_NICE = 5
_BEGINNINGS = (b"<", b"{", b"[")
_BLANK = b" \t\r\n\xef\xbb\xbf"


def main() -> int:
    _confine()
    try:
        return _read(sys.stdin.buffer.read(), int(sys.argv[1]))
    except UnreadableList as error:
        sys.stdout.buffer.write(error.message.encode("utf-8", "replace"))
        return UNREADABLE
    except PayloadTooLarge as error:
        sys.stdout.buffer.write(error.message.encode())
        return TOO_LARGE


def _read(content: bytes, largest: int) -> int:
    if largest and len(plain := unpacked(content)) > largest:
        if not plain[:1000].lstrip(_BLANK).startswith(_BEGINNINGS):
            raise UnreadableList
        return NOT_READ
    sys.stdout.buffer.write(PackedList.pack(read_list(content)))
    return 0


def _confine() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
