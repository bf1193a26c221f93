"""One account per e-mail address, and no disclosure of accounts."""

import asyncio
import json
import statistics
import time
from collections import Counter
from itertools import product

import httpx
import pytest

from app.container import Container
from app.errors import AppError
from app.schemas.core.auth import RegisterIn
from app.schemas.domain.accounts import ClientInfo
from app.services.accounts.sessions import WrongCredentials
from tests.fixtures.accounts import PASSWORD, SignedIn


def spellings() -> list[str]:
    """Variants of one address: case, white space, compatibility forms of letters."""
    locals_ = ["mio.a", "MIO.A", "Mio.A", "ｍio.a", "mio．a"]
    domains = ["bücher.example.org", "BÜCHER.example.ORG", "xn--bcher-kva.example.org", "ｂücher.Example.org"]
    spaces = ["{}", " {}", "{} ", "\t{}", "{}\n", " {} ", "\u3000{}", "{}\r\n", "\u00a0{}", "{}\t"]
    return [space.format(f"{local}@{domain}") for local, domain, space in product(locals_, domains, spaces)]


def test_spellings_of_an_address_are_one_account() -> None:
    assert len(set(spellings())) == 200
    read = {RegisterIn(email=one, password=PASSWORD).email.lower() for one in spellings()}
    assert read == {"mio.a@bücher.example.org"}


def test_dots_and_tags_make_another_address() -> None:
    texts = ["mio@example.org", "m.io@example.org", "mio+tag@example.org", "mio@mail.example.org"]
    assert len({RegisterIn(email=text, password=PASSWORD).email for text in texts}) == 4


@pytest.mark.parametrize(
    "email",
    ["", "mio", "mio@", "@example.org", "mio@host", "a b@example.org", "mio@exa mple.org", "a@b@c.org",
     "mio@example.org\x00", "x" * 65 + "@example.org", "mio@-x.org", "mio@example..org", "<mio@example.org>"],
)  # fmt: skip
def test_invalid_addresses_are_rejected(email: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        RegisterIn(email=email, password=PASSWORD)


@pytest.mark.parametrize(
    "email", ["mio@home.local", "mio@server.test", "mio@example.invalid", "d'arc@example.org"]
)
def test_addresses_of_small_networks_are_taken(email: str) -> None:
    assert RegisterIn(email=email, password=PASSWORD).email == email


async def test_concurrent_registrations_create_one_account(container: Container) -> None:
    outcomes: Counter[int] = Counter()

    async def one(number: int, email: str) -> None:
        here = ClientInfo(f"192.0.2.{number}", f"192.0.2.{number}", None)
        body = RegisterIn(email=email, password=PASSWORD)
        try:
            await container.accounts.registration.register(
                here, username=None, email=body.email, password=PASSWORD
            )
            outcomes[201] += 1
        except AppError as error:
            outcomes[error.status] += 1

    await asyncio.gather(*(one(number, email) for number, email in enumerate(spellings()[::4])))
    assert outcomes == {201: 1, 409: 49}
    assert await container.db.scalar("select count(*) from users") == 1


async def test_concurrent_renames_give_a_name_once(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(
            client.post(
                "/auth/register",
                json={"email": f"mio{number}@example.org", "username": "Mio", "password": PASSWORD},
            )
            for number in range(20)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@example.org"},
        {"password": PASSWORD},
        {"email": "a@example.org", "password": "x" * 7},
        {"email": "a@example.org", "password": "x" * 129},
        {"email": "a@example.org", "password": 12345678},
        {"email": "a@example.org", "password": PASSWORD, "username": "ab"},
        {"email": "a@example.org", "password": PASSWORD, "username": "ME"},
        {"email": "a@example.org", "password": PASSWORD, "username": "a b"},
        {"email": "a@example.org", "password": PASSWORD, "role": "admin"},
        {"email": "a@example.org", "password": PASSWORD, "is_admin": True},
        {"email": "a@example.org", "password": PASSWORD, "id": 1},
        {"email": "a@example.org", "password": PASSWORD, "is_active": False},
        {"email": "a@example.org", "password": PASSWORD, "created_at": "2020-01-01T00:00:00Z"},
        {"email": "a@example.org", "password": "\ud800" * 8},
        {"email": ["a@example.org"], "password": PASSWORD},
    ],
)
async def test_registrations_that_are_refused(
    client: httpx.AsyncClient, container: Container, body: dict[str, object]
) -> None:
    answer = await client.post(
        "/auth/register", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert await container.db.scalar("select count(*) from users") == 0


async def test_a_huge_password_is_rejected_cheaply(client: httpx.AsyncClient) -> None:
    for path, body in (
        ("/auth/login", {"login": "x", "password": "x" * 900_000}),
        ("/auth/register", {"email": "a@example.org", "password": "x" * 900_000}),
    ):
        assert (await client.post(path, json=body)).status_code == 422


async def test_timing_does_not_reveal_accounts(container: Container, user: SignedIn) -> None:
    """The probability of a correct guess from the response time alone; 0.5 is chance."""
    known: list[float] = []
    unknown: list[float] = []
    for number in range(60):
        here = ClientInfo(f"198.51.{number}.1", f"198.51.{number}.1", None)
        for name, times in ((user.username, known), (f"nobody{number}", unknown)):
            started = time.perf_counter()
            with pytest.raises(WrongCredentials):
                await container.accounts.sessions.sign_in(name, "not the password", here)
            times.append(time.perf_counter() - started)
    wins = sum((k > u) + (k == u) / 2 for k, u in product(known, unknown))
    assert 0.25 < wins / (len(known) * len(unknown)) < 0.75
    ratio = statistics.median(known) / statistics.median(unknown)
    assert 0.7 < ratio < 1.4
