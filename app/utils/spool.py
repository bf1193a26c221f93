"""Buffer a long response in a temporary file, so that it is sent complete or not at all."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import IO

_IN_MEMORY = 1024 * 1024  # bytes; longer content goes to disk
_CHUNK = 256 * 1024  # bytes written or read at once


class Spool:
    """Written once, then read once. As a context manager it is closed only if the block raises.

    ``on_close`` is called once, when the file is deleted.
    """

    def __init__(self, on_close: Callable[[], None] = lambda: None) -> None:
        self.size = 0
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # see close()
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._on_close: Callable[[], None] | None = on_close

    async def write(self, content: bytes) -> None:
        """Append ``content``, yielding to the event loop."""
        self._pending.append(content)
        self._pending_size += len(content)
        self.size += len(content)
        if self._pending_size >= _CHUNK:
            await self._flush()
        else:
            await asyncio.sleep(0)

    async def read(self) -> AsyncIterator[bytes]:
        """The whole content in chunks."""
        await self._flush()
        await asyncio.to_thread(self._file.seek, 0)
        while chunk := await asyncio.to_thread(self._file.read, _CHUNK):
            yield chunk

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
