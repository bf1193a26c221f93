"""Avatars: re-encoded from the upload, stored as files under unguessable names."""

import asyncio
import os
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from app.errors import Invalid, NotFound, PayloadTooLarge, ServiceUnavailable, UnsupportedMedia
from app.logs import log
from app.utils import picture
from app.utils.processes.child import run_child

LARGEST = 5 * 1024 * 1024  # bytes of an upload

_CONVERSIONS = 2  # at once in this process
_TIMEOUT = 20.0  # seconds for a conversion
_NAME = re.compile(r"[0-9a-f]{32}\.webp", re.ASCII)
_ORPHAN_AFTER = 3600.0  # seconds; a younger file may belong to an unfinished upload


class AvatarService:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slots = asyncio.Semaphore(_CONVERSIONS)

    async def make(self, upload: bytes) -> str:
        """Convert and store an uploaded picture; returns its name.

        Raises ``PayloadTooLarge``, ``UnsupportedMedia``, ``Invalid``, or ``ServiceUnavailable``.
        """
        if len(upload) > LARGEST:
            raise PayloadTooLarge(f"A picture may have at most {LARGEST // 1024 // 1024} MB.")
        async with self._slots:
            converted = await _convert(upload)
        name = f"{secrets.token_hex(16)}.webp"
        try:
            await asyncio.to_thread(_write, self._folder / name, converted)
        except OSError as error:
            log.error("avatar.not_stored", error=str(error))
            raise ServiceUnavailable("The picture cannot be stored right now.", retry_after=60) from error
        return name

    async def read(self, name: str) -> bytes:
        """The content of a picture; raises ``NotFound``."""
        if not _NAME.fullmatch(name):
            raise NotFound
        try:
            return await asyncio.to_thread((self._folder / name).read_bytes)
        except FileNotFoundError:
            raise NotFound from None

    async def discard(self, name: str | None) -> None:
        """Delete a picture if it exists."""
        if name is not None and _NAME.fullmatch(name):
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def discard_all_but(self, names: Collection[str]) -> int:
        """Delete the files that are neither in ``names`` nor recent uploads; returns how many."""
        return await asyncio.to_thread(_sweep, self._folder, names)


async def _convert(upload: bytes) -> bytes:
    # In isolated mode and with an empty environment, so that an exploited decoder finds no secrets.
    command = [sys.executable, "-I", str(Path(picture.__file__))]
    try:
        result = await run_child(command, upload, seconds=_TIMEOUT)
    except OSError as error:
        raise ServiceUnavailable(retry_after=5) from error
    return _checked(result.code, result.output)


def _checked(code: int | None, converted: bytes) -> bytes:
    if code == 0 and converted:
        return converted
    if code == picture.NOT_A_PICTURE:
        raise UnsupportedMedia("Only JPEG, PNG, GIF and WebP pictures are accepted.")
    if code == picture.TOO_LARGE:
        side = picture.LARGEST_SIDE
        raise Invalid.fields({"avatar": [f"A picture may have {side} by {side} pixels."]})
    raise Invalid.fields({"avatar": ["This picture cannot be read."]})


def _write(path: Path, content: bytes) -> None:
    """Write the file atomically, also with respect to a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix="part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _sweep(folder: Path, names: Collection[str]) -> int:
    if not folder.is_dir():
        return 0
    old = time.time() - _ORPHAN_AFTER
    orphans = [
        path
        for path in folder.iterdir()
        if path.name not in names
        and (_NAME.fullmatch(path.name) or path.name.startswith("part-"))
        and path.stat().st_mtime < old
    ]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def check_folder(folder: Path) -> None:
    """Raise :class:`OSError` if the folder is not writable."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
