"""Parse uploaded list files off the event loop: small ones in a thread, others in a process."""

import asyncio
import sys
from pathlib import Path

import app
from app.errors import PayloadTooLarge, RateLimited, ServiceUnavailable
from app.external.list_files import UnknownKind, UnreadableList, child, read_list
from app.external.list_files.packing import PackedList
from app.schemas.domain.library import MediaType
from app.utils.processes.child import ChildResult, run_child
from app.utils.slots import NoSlot, Slots

_SMALL = 64 * 1024  # bytes; an uncompressed file up to this size is parsed within milliseconds
_AT_ONCE = 2
_MAX_WAITING = 8  # waiting files per user
_WITHIN = 90.0  # seconds
_PACKED = b"\x1f\x8b"
_SCRIPT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from app.external.list_files.child import main
sys.exit(main())
"""
_ROOT = str(Path(app.__file__).parents[1])


class ListReader:
    """At most two files at once in this process, one per user; others wait.

    ``media_type`` applies to files that do not name it.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._slots = Slots(running=1, waiting=_MAX_WAITING, timeout=_WITHIN)

    async def read(self, content: bytes, media_type: MediaType | None) -> PackedList:
        """Parse the file; raises ``UnreadableList`` or ``PayloadTooLarge``."""
        if _is_small(content):
            return await _read_in_thread(content, media_type)
        packed = await self._read_in_child(content, media_type, max_bytes=0)
        if packed is None:
            raise AssertionError("no size limit was given")
        return packed

    async def read_if_short(
        self, content: bytes, media_type: MediaType | None, *, max_bytes: int, user_id: int
    ) -> PackedList | None:
        """Parse a file of at most ``max_bytes`` bytes when unpacked; returns None for larger ones.

        Raises ``UnreadableList`` and ``PayloadTooLarge``, for a large file only what its beginning reveals;
        and ``RateLimited`` if too many files of the user ``user_id`` are waiting.
        """
        if _is_small(content):
            return await _read_in_thread(content, media_type)
        try:
            async with self._slots.slot(user_id):
                return await self._read_in_child(content, media_type, max_bytes=max_bytes)
        except NoSlot:
            raise RateLimited(
                "Too many of your files are being read; wait a moment.", retry_after=5
            ) from None

    async def _read_in_child(
        self, content: bytes, media_type: MediaType | None, *, max_bytes: int
    ) -> PackedList | None:
        command = [sys.executable, "-I", "-c", _SCRIPT, _ROOT, str(max_bytes), media_type or ""]
        try:
            async with self._free:
                ended = await run_child(command, content, seconds=_WITHIN)
        except OSError as error:
            raise ServiceUnavailable(retry_after=5) from error
        return await asyncio.to_thread(_read_answer, ended)


def _is_small(content: bytes) -> bool:
    return len(content) <= _SMALL and not content.startswith(_PACKED)


async def _read_in_thread(content: bytes, media_type: MediaType | None) -> PackedList:
    return await asyncio.to_thread(lambda: PackedList(PackedList.pack(read_list(content, media_type))))


def _read_answer(ended: ChildResult) -> PackedList | None:
    if ended.code == 0:
        return PackedList(ended.output)
    if ended.code == child.NOT_READ:
        return None
    if ended.code == child.UNKNOWN_KIND:
        raise UnknownKind
    if ended.code == child.UNREADABLE:
        raise UnreadableList(ended.output.decode())
    if ended.code == child.TOO_LARGE:
        raise PayloadTooLarge(ended.output.decode())
    # It exceeded its memory or time limit, or crashed on a malformed file.
    raise UnreadableList("The file cannot be read within the limits of time and memory.")
