"""Convert an uploaded picture to a small WebP, stdin to stdout; a script that sandboxes itself first."""

# Image decoders are the usual target of hostile files, so this runs in a process of its own, without
# secrets in its environment and with limited memory and CPU time.

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SIDE = 512  # pixels, the longer side of the result
LARGEST_SIDE = 4096  # pixels, the longer side of the upload
NOT_A_PICTURE, TOO_LARGE, BROKEN = 3, 4, 5  # exit codes

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_MEMORY = 512 * 1024 * 1024  # bytes of address space
_CPU = 10  # seconds
_NICE = 5


def main() -> int:
    _limit_resources()
    source = sys.stdin.buffer.read()
    if not _is_known(source):
        return NOT_A_PICTURE
    try:
        return _convert(source)
    except Exception:  # noqa: BLE001  # a decoder may raise anything on a malformed file
        return BROKEN


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)


def _is_known(source: bytes) -> bool:
    """Check the magic bytes; file name and content type are not trusted."""
    webp = source[:4] == b"RIFF" and source[8:12] == b"WEBP"
    return webp or source.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def _convert(source: bytes) -> int:
    from PIL import Image, PngImagePlugin  # only once the limits are in place

    Image.MAX_IMAGE_PIXELS = None  # the dimensions are checked below, before anything is decoded
    PngImagePlugin.MAX_TEXT_MEMORY = 1024 * 1024
    if max(_webp_size(source)) > LARGEST_SIDE:  # the WebP decoder allocates the canvas in open()
        return TOO_LARGE
    with Image.open(io.BytesIO(source), formats=_FORMATS) as image:
        if max(image.size) > LARGEST_SIDE:
            return TOO_LARGE
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        small = _thumbnail(image)
    # Copy the pixels only: no comment, colour profile or GPS position survives.
    clean = Image.frombytes(small.mode, small.size, small.tobytes())
    clean.save(sys.stdout.buffer, "WEBP", quality=85)
    return 0


def _thumbnail(image: "Image.Image") -> "Image.Image":
    from PIL import Image, ImageOps

    # With alpha or a palette BOX needs a second full-size copy, too much for the memory limit.
    averaged = image.mode in {"RGB", "L"}
    image.thumbnail((4 * SIDE, 4 * SIDE), Image.Resampling.BOX if averaged else Image.Resampling.NEAREST)
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16-bit greyscale, which convert() would clip to white
        upright = upright.point(lambda value: value / 256).convert("L")
        has_alpha = False
    small = upright.convert("RGBA" if has_alpha else "RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small


def _webp_size(source: bytes) -> tuple[int, int]:
    """The canvas size in a WebP header, in pixels; (0, 0) for any other file."""
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
