"""Avatars in real processes: kills during uploads, and memory use of hostile files."""

import asyncio
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.container import Container
from app.services.accounts.avatars import AvatarService
from app.utils.db.database import Database
from tests.factories.pictures import PLACE, SCRIPT, corpus
from tests.faults.apis import running_apis
from tests.faults.stack import Stack, running_stack
from tests.fixtures.accounts import PASSWORD

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("avatar faults")]

_MOST = 80 * 1024 * 1024  # bytes by which the API process may grow


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


async def _kills(stack: Stack, container: Container, folder: Path, *, times: int) -> None:
    chance = random.Random(20261121)
    account = await container.accounts.registration.create(username="mio", email=None, password=PASSWORD)
    avatars, uploads = AvatarService(folder), 0
    for blow in range(times):
        uploader = stack.start("tests.faults.uploader", str(account.id))
        await uploader.until_logged("uploaded", seconds=60)
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        uploader.kill()
        uploads += uploader.events().count("uploaded")
        shown = (await container.accounts.users.get(account.id)).avatar
        assert shown is not None
        with Image.open(io.BytesIO(await avatars.read(shown))) as image:
            image.load()
            assert image.size == (320, 200), blow
    assert uploads >= times
    _age(folder)
    assert shown is not None
    await avatars.discard_all_but({shown})
    assert os.listdir(folder) == [shown]


def _age(folder: Path) -> None:
    for file in folder.iterdir():
        os.utime(file, (0, 0))


async def test_the_row_shows_a_complete_picture_after_any_kill(
    stack: Stack, container: Container, tmp_path: Path
) -> None:
    await _kills(stack, container, tmp_path / "uploads" / "avatars", times=6)


@pytest.mark.soak
async def test_a_hundred_kills(stack: Stack, container: Container, tmp_path: Path) -> None:
    await _kills(stack, container, tmp_path / "uploads" / "avatars", times=100)


@pytest.mark.soak
async def test_the_corpus_over_http_leaves_neither_memory_nor_a_trace(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    async with running_apis(stack, 1) as [api]:
        body = {"email": "mio@example.org", "password": PASSWORD}
        tokens = (await api.http.post("/auth/register", json=body)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        process = psutil.Process(api.program.pid)
        warm = {"avatar": ("a.png", corpus()["png"].content, "image/png")}
        await api.http.patch("/users/me", files=warm, headers=headers)
        before, peak, done = process.memory_info().rss, 0, False

        async def watch() -> None:
            nonlocal peak
            while not done:
                peak = max(peak, process.memory_info().rss)
                await asyncio.sleep(0.01)

        watcher = asyncio.create_task(watch())
        for name, upload in corpus().items():
            files = {"avatar": (upload.filename, upload.content, upload.content_type)}
            answer = await api.http.patch("/users/me", files=files, headers=headers)
            assert (answer.status_code == 200) == upload.is_picture, (name, answer.text)
            assert answer.status_code in {200, 413, 415, 422}, name
            if upload.is_picture:
                served = await api.http.get(answer.json()["avatar"])
                assert served.headers["Content-Type"] == "image/webp"
                assert SCRIPT not in served.content, name
                assert PLACE not in served.content, name
        done = True
        await watcher
    assert peak - before < _MOST
    assert len(os.listdir(tmp_path / "uploads" / "avatars")) == 1
