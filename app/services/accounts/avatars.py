"""Avatars: made anew from what was uploaded, kept as files, served under names that nobody can guess."""

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

_AT_ONCE = 2
_WITHIN = 20.0  # seconds
_NAME = re.compile(r"[0-9a-f]{32}\.webp", re.ASCII)
_ORPHAN_AFTER = 3600.0  # seconds; a younger file may belong to an upload under way


class AvatarService:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def make(self, upload: bytes) -> str:
        """Store the picture anew, and answer its name; whatever is no picture of ours is refused."""
        if len(upload) > LARGEST:
            raise PayloadTooLarge(f"A picture may have {LARGEST // 1024 // 1024} MB.")
        async with self._places:
            remade = await _remade(upload)
        name = f"{secrets.token_hex(16)}.webp"
        try:
            await asyncio.to_thread(_write, self._folder / name, remade)
        except OSError as error:
            log.error("avatar.not_stored", error=str(error))
            raise ServiceUnavailable("The picture cannot be stored right now.", retry_after=60) from error
        return name

    async def read(self, name: str) -> bytes:
        """The picture of that name."""
        if not _NAME.fullmatch(name):
            raise NotFound
        try:
            return await asyncio.to_thread((self._folder / name).read_bytes)
        except FileNotFoundError:
            raise NotFound from None

    async def discard(self, name: str | None) -> None:
        """Delete the picture; one that is gone already is no failure."""
        if name is not None and _NAME.fullmatch(name):
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def discard_all_but(self, names: Collection[str]) -> int:
        """Delete what no account shows and no upload is about to; answers how many files."""
        return await asyncio.to_thread(_sweep, self._folder, names)


async def _remade(upload: bytes) -> bytes:
    # In isolated mode and without our environment: no secret is within reach of a decoder.
    command = [sys.executable, "-I", str(Path(picture.__file__))]
    try:
        ended = await run_child(command, upload, seconds=_WITHIN)
    except OSError as error:
        raise ServiceUnavailable(retry_after=5) from error
    return _checked(ended.code, ended.output)


def _checked(code: int | None, remade: bytes) -> bytes:
    if code == 0 and remade:
        return remade
    if code == picture.NOT_A_PICTURE:
        raise UnsupportedMedia("Only JPEG, PNG, GIF and WebP pictures are accepted.")
    if code == picture.TOO_LARGE:
        side = picture.LARGEST_SIDE
        raise Invalid.fields({"avatar": [f"A picture may have {side} by {side} pixels."]})
    raise Invalid.fields({"avatar": ["This picture cannot be read."]})


def _write(path: Path, content: bytes) -> None:
    """Either all of it is there under its name, or nothing, whenever the machine stops."""
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
    """Raise :class:`OSError` where avatars cannot be written to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
