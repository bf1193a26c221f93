"""Make a small WebP of an upload, from standard input to output; a script, confined before it decodes."""

# Decoders are where hostile files do their harm, so they run in a process of their own: without secrets
# in reach, with little memory and time.

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SIDE = 512  # pixels, the longer side of what comes out
LARGEST_SIDE = 4096  # pixels, of what goes in
NOT_A_PICTURE, TOO_LARGE, BROKEN = 3, 4, 5  # exit codes

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_MEMORY = 512 * 1024 * 1024  # bytes of address space
_CPU = 10  # seconds
_NICE = 5


def main() -> int:
    _confine()
    source = sys.stdin.buffer.read()
    if not _is_known(source):
        return NOT_A_PICTURE
    try:
        return _remade(source)
    except Exception:  # noqa: BLE001  # a decoder may raise anything at a file made to confuse it
        return BROKEN


def _confine() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)


def _is_known(source: bytes) -> bool:
    """By what the file begins with; what it is called says nothing."""
    webp = source[:4] == b"RIFF" and source[8:12] == b"WEBP"
    return webp or source.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def _remade(source: bytes) -> int:
    from PIL import Image, PngImagePlugin  # not before the process is confined

    Image.MAX_IMAGE_PIXELS = None  # the sides are checked below, before anything is decoded
    PngImagePlugin.MAX_TEXT_MEMORY = 1024 * 1024
    if max(_webp_size(source)) > LARGEST_SIDE:  # its decoder makes room before anybody can ask
        return TOO_LARGE
    with Image.open(io.BytesIO(source), formats=_FORMATS) as image:
        if max(image.size) > LARGEST_SIDE:
            return TOO_LARGE
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        small = _shrunk(image)
    # Only the pixels go on: no comment, profile, or place where it was taken.
    clean = Image.frombytes(small.mode, small.size, small.tobytes())
    clean.save(sys.stdout.buffer, "WEBP", quality=85)
    return 0


def _shrunk(image: "Image.Image") -> "Image.Image":
    from PIL import Image, ImageOps

    # Averaging needs a second copy of what is transparent or has a palette; the largest must do without.
    averaged = image.mode in {"RGB", "L"}
    image.thumbnail((4 * SIDE, 4 * SIDE), Image.Resampling.BOX if averaged else Image.Resampling.NEAREST)
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):  # greys of 16 bits, of which a conversion would make white
        turned = turned.point(lambda value: value / 256).convert("L")
        has_alpha = False
    small = turned.convert("RGBA" if has_alpha else "RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small


def _webp_size(source: bytes) -> tuple[int, int]:
    """The canvas that a WebP announces; (0, 0) for everything else."""
    kind = source[12:16] if source[:4] == b"RIFF" else b""
    if kind == b"VP8X" and len(source) >= 30:
        return 1 + int.from_bytes(source[24:27], "little"), 1 + int.from_bytes(source[27:30], "little")
    if kind == b"VP8 " and len(source) >= 30:
        width, height = (int.from_bytes(source[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return width, height
    if kind == b"VP8L" and len(source) >= 25:
        bits = int.from_bytes(source[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return 0, 0


if __name__ == "__main__":
    sys.exit(main())
