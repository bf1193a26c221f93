"""Read a dump file block by block: plain, gzip or Zstandard."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from app.errors import DumpUnreadable

_BLOCK = 256 * 1024
_PACKED_BLOCK = 2 * 1024  # bytes; small, since zstandard decompresses a whole input block at once
_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


class Blocks:
    """An open dump file. ``read`` is the number of bytes read from disk so far, out of ``size``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            self.size = path.stat().st_size
            magic = self._file.read(4)
            self._file.seek(0)
        except OSError as error:
            raise DumpUnreadable(f"{path}: {error.strerror or error}") from error
        self.read = 0
        self._contents = self._opened(magic)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for block in self._contents:
                self.read = self._file.tell()
                yield block
        except EOFError as error:
            raise DumpUnreadable(f"{self.path} is truncated") from error
        except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, OSError) as error:
            raise DumpUnreadable(f"{self.path} is corrupt: {error}") from error

    def close(self) -> None:
        self._file.close()

    def _opened(self, magic: bytes) -> Iterator[bytes]:
        suffix = self.path.suffix.lower()
        if magic.startswith(_GZIP):
            return _whole(gzip.GzipFile(fileobj=self._file))
        if magic == _ZSTANDARD:
            return _unpacked(self._file)
        if suffix in {".gz", ".zst"} and magic:
            self.close()
            raise DumpUnreadable(f"{self.path} is not a {suffix} file")
        return _whole(self._file)


def _whole(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Decompress Zstandard frames; the library's stream reader does not detect a truncated file."""
    frames = zstandard.ZstdDecompressor()
    frame = None
    block = bytearray()
    while packed := file.read(_PACKED_BLOCK):
        while packed:
            frame = frame or frames.decompressobj()
            block += frame.decompress(packed)
            packed, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)
    if frame is not None:
        raise EOFError
