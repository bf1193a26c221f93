"""Forty files that claim to be pictures, some of which are."""

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

SCRIPT = b"<script>alert(document.domain)</script>"
PLACE = b"GPS-CANARY-59.9386"


@dataclass(frozen=True)
class Upload:
    """``is_picture``: it must be accepted, and served without its metadata."""

    content: bytes
    is_picture: bool
    filename: str = "avatar.png"
    content_type: str = "image/png"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((width, height), 60).convert(mode)


def flat(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height))


def corpus() -> dict[str, Upload]:
    made: dict[str, Upload] = {}
    for family in (_plain, _odd_but_right, _polyglots, _wrong_types, _broken, _bombs):
        made |= family()
    return made


def _plain() -> dict[str, Upload]:
    image = noise()
    return {
        "jpeg": Upload(encoded(image, "JPEG"), True, "me.jpg", "image/jpeg"),
        "png": Upload(encoded(image, "PNG"), True),
        "gif": Upload(encoded(image, "GIF"), True, "me.gif", "image/gif"),
        "webp": Upload(encoded(image, "WEBP"), True, "me.webp", "image/webp"),
        "png with alpha": Upload(encoded(noise(mode="RGBA"), "PNG"), True),
        "the largest": Upload(encoded(flat(4096, 4096), "PNG"), True),
        "one pixel": Upload(encoded(flat(1, 1), "PNG"), True),
        "a thin line": Upload(encoded(flat(4096, 1), "PNG"), True),
    }


def _odd_but_right() -> dict[str, Upload]:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated
    exif[0x010E] = PLACE.decode()
    exif.get_ifd(0x8825)[2] = (59.0, 56.0, 19.0)
    frames = [noise(100, 100, "P") for _ in range(12)]
    many = {"save_all": True, "append_images": frames}
    path = "../../../../etc/passwd.png"
    return {
        "a place in its EXIF": Upload(encoded(noise(), "JPEG", exif=exif), True, "me.jpg", "image/jpeg"),
        "a comment": Upload(encoded(noise(), "JPEG", comment=PLACE), True, "me.jpg", "image/jpeg"),
        "a broken profile": Upload(encoded(noise(), "JPEG", icc_profile=PLACE * 9), True, "me.jpg"),
        "four inks": Upload(encoded(noise(mode="CMYK"), "JPEG"), True, "me.jpg", "image/jpeg"),
        "sixteen bits": Upload(encoded(noise(mode="I;16"), "PNG"), True),
        "two colours": Upload(encoded(noise(mode="1"), "PNG"), True),
        "moving gif": Upload(encoded(frames[0], "GIF", **many), True, "me.gif", "image/gif"),
        "moving png": Upload(encoded(frames[0], "PNG", **many), True),
        "moving webp": Upload(encoded(frames[0], "WEBP", **many), True, "me.webp", "image/webp"),
        "another type is claimed": Upload(encoded(noise(), "PNG"), True, "me.html", "text/html"),
        "a name that climbs": Upload(encoded(noise(), "PNG"), True, path),
        "a long name": Upload(encoded(noise(), "PNG"), True, "x" * 1000 + ".png"),
        "a name in disguise": Upload(encoded(noise(), "PNG"), True, "me\u202egnp.exe"),
    }


def _polyglots() -> dict[str, Upload]:
    gif, png, jpeg = (encoded(noise(), kind) for kind in ("GIF", "PNG", "JPEG"))
    text = _chunk(b"tEXt", b"Comment\x00" + SCRIPT)
    return {
        "gif and page": Upload(gif + SCRIPT, True, "me.gif", "image/gif"),
        "png and page": Upload(png[:33] + text + png[33:] + SCRIPT, True),
        "jpeg and archive": Upload(jpeg + b"PK\x03\x04" + SCRIPT * 50, True, "me.jpg"),
        "gif and script": Upload(b"GIF89a/*" + SCRIPT + b"*/=1;", False, "me.gif", "image/gif"),
    }


def _wrong_types() -> dict[str, Upload]:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>"
    return {
        "svg": Upload(svg, False, "me.svg", "image/svg+xml"),
        "svg as png": Upload(svg, False),
        "pdf": Upload(b"%PDF-1.7\n" + SCRIPT, False),
        "postscript": Upload(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", False),
        "photoshop": Upload(b"8BPS\x00\x01" + bytes(40), False),
        "fits": Upload(b"SIMPLE  =                    T".ljust(80) + bytes(2800), False),
        "bmp": Upload(encoded(noise(), "BMP"), False),
        "tiff": Upload(encoded(noise(), "TIFF"), False),
        "icon": Upload(encoded(noise(64, 64), "ICO"), False),
        "page": Upload(b"<!doctype html>" + SCRIPT, False),
    }


def _broken() -> dict[str, Upload]:
    png, jpeg = encoded(noise(), "PNG"), encoded(noise(), "JPEG")
    return {
        "nothing": Upload(b"", False),
        "a beginning": Upload(b"\x89PNG\r\n\x1a\n", False),
        "half a png": Upload(png[: len(png) // 2], False),
        "half a jpeg": Upload(jpeg[: len(jpeg) // 2], False),
        "noise": Upload(b"\xff\xd8\xff" + bytes(range(256)) * 40, False),
        "a webp of nothing": Upload(b"RIFF\x10\x00\x00\x00WEBPVP8X" + bytes(4), False),
    }


def _bombs() -> dict[str, Upload]:
    text = _chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(30_000_000)))
    png = encoded(noise(), "PNG")
    webp = b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00" + b"\xfe\x3f\x00" * 2
    return {
        "9000 by 9000": Upload(encoded(flat(9000, 9000, "1"), "PNG"), False),
        "a wide one": Upload(encoded(flat(4097, 2), "PNG"), False),
        "a jpeg too large": Upload(encoded(flat(8000, 8000, "L"), "JPEG"), False, "me.jpg"),
        "a gif that says 65535": Upload(b"GIF89a\xff\xff\xff\xff\x00\x00\x00" + b"," + bytes(40), False),
        "a webp that says 16383": Upload(webp, False),
        "a png that says millions": Upload(_png_saying(2**31 - 1), False),
        "a text that grows": Upload(png[:33] + text + png[33:], False),
    }


def _png_saying(side: int) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(bytes(100))) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
