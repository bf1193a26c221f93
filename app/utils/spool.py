"""A long answer, written to a temporary file before it is sent: whole or not at all, in little memory."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import IO

_IN_MEMORY = 1024 * 1024  # bytes; what is longer goes to the disk
_PIECE = 256 * 1024  # bytes written or read at once


class Spool:
    """Written once, then read once. As a context manager it is closed where the block fails.

    ``on_close`` is called once, when the file is given up.
    """

    def __init__(self, on_close: Callable[[], None] = lambda: None) -> None:
        self.size = 0
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # see close()
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._on_close: Callable[[], None] | None = on_close

    async def write(self, content: bytes) -> None:
        """Add to the end; other tasks have their turn meanwhile."""
        self._pending.append(content)
        self._pending_size += len(content)
        self.size += len(content)
        if self._pending_size >= _PIECE:
            await self._flush()
        else:
            await asyncio.sleep(0)

    async def read(self) -> AsyncIterator[bytes]:
        """All of it, from the beginning."""
        await self._flush()
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece

    def close(self) -> None:
        """Delete the file; a second call does nothing."""
        self._file.close()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    async def _flush(self) -> None:
        pending, self._pending, self._pending_size = b"".join(self._pending), [], 0
        await asyncio.to_thread(self._file.write, pending)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self.close()
