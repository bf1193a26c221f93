"""The stand-in as pytest fixtures."""

from collections.abc import Iterator

import pytest

from tests.standin.client import AniLibriaStandin, JikanStandin


@pytest.fixture(scope="session")
def jikan_process() -> Iterator[JikanStandin]:
    with JikanStandin() as standin:
        yield standin


@pytest.fixture
def jikan_standin(jikan_process: JikanStandin) -> JikanStandin:
    """A Jikan stand-in, reset for every test; pass ``.base_url`` to the application."""
    jikan_process.reset()
    return jikan_process


@pytest.fixture(scope="session")
def anilibria_process() -> Iterator[AniLibriaStandin]:
    with AniLibriaStandin() as standin:
        yield standin


@pytest.fixture
def anilibria_standin(anilibria_process: AniLibriaStandin) -> AniLibriaStandin:
    """An AniLibria stand-in, reset for every test; pass ``.base_url`` to the application."""
    anilibria_process.reset()
    return anilibria_process
