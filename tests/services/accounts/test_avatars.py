"""Avatars: converted or rejected within limits, and no orphaned files."""

import asyncio
import io
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.errors import Invalid, NotFound, PayloadTooLarge, ServiceUnavailable, UnsupportedMedia
from app.services.accounts.avatars import LARGEST, AvatarService, check_folder
from tests.factories.pictures import PLACE, SCRIPT, Upload, corpus, encoded, noise

CORPUS = corpus()
ROOT = Path(__file__).parents[3]


@pytest.fixture
def avatars(tmp_path: Path) -> AvatarService:
    return AvatarService(tmp_path / "avatars")


def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "avatars"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("name", sorted(CORPUS))
async def test_a_file_is_converted_or_rejected(avatars: AvatarService, tmp_path: Path, name: str) -> None:
    upload = CORPUS[name]
    if not upload.is_picture:
        with pytest.raises((UnsupportedMedia, PayloadTooLarge, Invalid)):
            await avatars.make(upload.content)
        assert files(tmp_path) == []
        return
    stored = await avatars.make(upload.content)
    assert files(tmp_path) == [stored]
    served = await avatars.read(stored)
    _check_clean(upload, served)


def _check_clean(upload: Upload, served: bytes) -> None:
    assert served[:4] + served[8:12] == b"RIFFWEBP"
    assert SCRIPT not in served
    assert PLACE not in served
    with Image.open(io.BytesIO(served)) as image:
        assert max(image.size) <= 512
        assert image.n_frames == 1  # type: ignore[attr-defined]  # of WebP
        assert not image.getexif()
        assert set(image.info) <= {"loop", "background", "timestamp", "duration"}
    chunks = {served[at : at + 4] for at in range(12, 40)}
    assert not chunks & {b"EXIF", b"XMP ", b"ICCP", b"ANIM"}


async def test_exif_orientation_is_applied(avatars: AvatarService) -> None:
    name = await avatars.make(CORPUS["a place in its EXIF"].content)
    with Image.open(io.BytesIO(await avatars.read(name))) as image:
        assert image.size == (200, 320)


@pytest.mark.parametrize("extra", [{}, {"transparency": 300}])
async def test_sixteen_bit_greyscale_is_preserved(avatars: AvatarService, extra: dict[str, int]) -> None:
    greys = Image.linear_gradient("L")
    deep = greys.convert("I").point(lambda value: value * 257).convert("I;16")
    name = await avatars.make(encoded(deep, "PNG", **extra))
    with Image.open(io.BytesIO(await avatars.read(name))) as image:
        shown = image.convert("L")
    assert [shown.getpixel((128, y)) for y in (10, 128, 245)] == [
        pytest.approx(greys.getpixel((128, y)), abs=6) for y in (10, 128, 245)
    ]


async def test_too_many_bytes(avatars: AvatarService) -> None:
    picture = encoded(noise(), "PNG")
    assert await avatars.make(picture.ljust(LARGEST, b"\x00"))
    with pytest.raises(PayloadTooLarge):
        await avatars.make(picture.ljust(LARGEST + 1, b"\x00"))


async def test_the_whole_corpus_at_once_leaves_no_memory_behind(tmp_path: Path) -> None:
    """In a separate process, since the memory of the largest child counts every earlier child."""
    code = "import tests.services.accounts.test_avatars as tests, sys; tests.make_corpus(sys.argv[1])"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    grown, largest_child = map(int, (await child.communicate())[0].split())
    assert grown < 40 * 1024 * 1024
    # the address space of each child is limited, so no file can take more
    assert 0 < largest_child < 400 * 1024 * 1024


def make_corpus(folder: str) -> None:
    """Print the growth of this process in bytes over the corpus, and the size of its largest child."""
    avatars = AvatarService(Path(folder) / "avatars")

    async def one(upload: Upload) -> None:
        with suppress(UnsupportedMedia, PayloadTooLarge, Invalid):
            await avatars.make(upload.content)

    async def everything() -> int:
        await one(CORPUS["jpeg"])
        before = psutil.Process().memory_info().rss
        await asyncio.gather(*(one(upload) for upload in CORPUS.values()))
        return psutil.Process().memory_info().rss - before

    grown = asyncio.run(everything())
    print(grown, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)  # noqa: T201  # what this program is for


@pytest.mark.parametrize(
    "name",
    ["x", "", ".", "..", "../secret", "a" * 32, "a" * 32 + ".png", "A" * 32 + ".webp", "a/b.webp", "\x00"],
)
async def test_unknown_names_are_not_found(avatars: AvatarService, name: str) -> None:
    with pytest.raises(NotFound):
        await avatars.read(name)
    await avatars.discard(name)


async def test_a_full_disk_leaves_no_partial_file(avatars: AvatarService, tmp_path: Path) -> None:
    old = await avatars.make(CORPUS["png"].content)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, unlimited[1]))
    try:
        with pytest.raises(ServiceUnavailable):
            await avatars.make(CORPUS["jpeg"].content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, previous)
    assert files(tmp_path) == [old]


async def test_old_orphans_are_deleted(avatars: AvatarService, tmp_path: Path) -> None:
    kept, orphan, young = [await avatars.make(CORPUS["one pixel"].content) for _ in range(3)]
    folder = tmp_path / "avatars"
    (folder / "part-of-a-crash").write_bytes(b"x")
    (folder / "not ours.txt").write_bytes(b"x")
    old = time.time() - 7200
    for name in (kept, orphan, "part-of-a-crash", "not ours.txt"):
        os.utime(folder / name, (old, old))
    assert await avatars.discard_all_but({kept}) == 2
    assert files(tmp_path) == sorted([kept, young, "not ours.txt"])


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        check_folder(tmp_path / "file" / "avatars")
    check_folder(tmp_path / "new" / "avatars")
