"""Limits on password attempts across processes, with and without Redis."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from app.config import Settings
from app.container import Container, build
from app.errors import AppError, RateLimited, ServiceUnavailable
from app.schemas.domain.accounts import ClientInfo
from app.services.accounts.login_throttle import OVERALL, PAIR, LoginThrottle
from app.services.accounts.password_hashing import PasswordHasher
from app.services.accounts.sessions import WrongCredentials
from app.utils.addresses import address_group
from app.utils.db.database import Database
from app.utils.redis.quotas import Quota
from tests.fixtures.accounts import PASSWORD, SignedIn

HOME = "198.51.100.7"


def client(address: str = "203.0.113.5") -> ClientInfo:
    return ClientInfo(address, address_group(address), "tests")


async def attempt(
    container: Container, name: str, *, password: str = "a wrong one", by: ClientInfo | None = None
) -> str:
    try:
        await container.accounts.sessions.sign_in(name, password, by or client())
    except WrongCredentials:
        return "wrong"
    except RateLimited:
        return "limited"
    return "in"


async def attempts(container: Container, names: Sequence[str], *, by: ClientInfo | None = None) -> list[str]:
    return [await attempt(container, name, by=by) for name in names]


@pytest.fixture
async def without_redis(settings: Settings, database: Database) -> AsyncIterator[list[Container]]:
    """Two processes without Redis."""
    gone = settings.model_copy(update={"redis_url": "unix:///nowhere/at/all.sock"})
    async with build(gone, db=database) as first, build(gone, db=database) as second:
        yield [first, second]


async def test_five_failures_of_an_account_from_an_address(container: Container, user: SignedIn) -> None:
    assert await attempts(container, [user.username] * 6) == ["wrong"] * 5 + ["limited"]
    assert await attempt(container, user.username, password=PASSWORD) == "limited"
    assert await attempt(container, f"{user.username}@example.org", password=PASSWORD) == "limited"
    assert await attempt(container, user.username, password=PASSWORD, by=client(HOME)) == "in"


async def test_a_rejection_has_retry_after(container: Container, user: SignedIn) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        for _ in range(5):
            now.shift(2)
            await attempt(container, user.username)
        here = client()
        with pytest.raises(RateLimited) as refusal:
            await container.accounts.sessions.sign_in(user.username, PASSWORD, here)
        assert refusal.value.retry_after == pytest.approx(52)
        assert here.headers["RateLimit-Limit"] == "5"
        assert here.headers["RateLimit-Remaining"] == "0"
        assert here.headers["RateLimit-Reset"] == "52"
        now.shift(51.9)
        assert await attempt(container, user.username, password=PASSWORD) == "limited"
        now.shift(0.2)
        assert await attempt(container, user.username, password=PASSWORD) == "in"


async def test_success_clears_the_failures_of_the_pair(container: Container, user: SignedIn) -> None:
    for _ in range(3):
        assert await attempts(container, [user.username] * 4) == ["wrong"] * 4
        here = client()
        assert await attempt(container, user.username, password=PASSWORD, by=here) == "in"
        if _ == 0:
            assert here.headers["RateLimit-Remaining"] == str(PAIR.limit)


async def test_unknown_names_are_limited_like_known_ones(container: Container) -> None:
    assert await attempts(container, ["nobody"] * 3 + [" NOBODY "] * 3) == ["wrong"] * 5 + ["limited"]


async def test_twenty_failures_from_an_address(container: Container, user: SignedIn) -> None:
    names = [f"name{number}" for number in range(21)]
    assert Counter(await attempts(container, names)) == {"wrong": 20, "limited": 1}
    assert await attempt(container, user.username, password=PASSWORD) == "limited"
    assert await attempt(container, user.username, password=PASSWORD, by=client(HOME)) == "in"


async def test_the_addresses_of_one_household_count_together(container: Container, user: SignedIn) -> None:
    outcomes = []
    for number in range(24):
        outcomes.append(
            await attempt(container, f"name{number}", by=client(f"2001:db8:0:1:{number:x}::{number:x}"))
        )
    assert Counter(outcomes) == {"wrong": 20, "limited": 4}
    assert await attempt(container, user.username, password=PASSWORD, by=client("2001:db8:0:2::1")) == "in"


async def test_a_hundred_an_hour_of_an_account_but_its_owner_gets_in(
    container: Container, user: SignedIn
) -> None:
    home, new_place = client(HOME), client("198.51.100.99")
    assert await attempt(container, user.username, password=PASSWORD, by=home) == "in"
    outcomes: list[str] = []
    for number in range(104):
        outcomes.append(await attempt(container, user.username, by=client(f"203.0.113.{number}")))
    assert Counter(outcomes) == {"wrong": 100, "limited": 4}
    assert await attempt(container, user.username, password=PASSWORD, by=new_place) == "limited"
    assert await attempt(container, user.username, password=PASSWORD, by=home) == "in"
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61)):
        assert await attempt(container, user.username, password=PASSWORD, by=new_place) == "in"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):  # the home network is forgotten by now
        for number in range(100):
            await attempt(container, user.username, by=client(f"203.0.113.{number}"))
        assert await attempt(container, user.username, password=PASSWORD, by=home) == "limited"


async def test_concurrent_attempts_gain_nothing(container: Container, user: SignedIn) -> None:
    outcomes = await asyncio.gather(*(attempt(container, user.username) for _ in range(40)))
    assert Counter(outcomes) == {"wrong": 5, "limited": 35}


async def test_concurrent_correct_attempts_all_succeed(container: Container, user: SignedIn) -> None:
    outcomes = await asyncio.gather(
        *(attempt(container, user.username, password=PASSWORD) for _ in range(30))
    )
    assert Counter(outcomes) == {"in": 30}


async def test_an_aborted_attempt_counts_as_failed(container: Container, user: SignedIn) -> None:
    throttle = LoginThrottle(container.db, container.quotas)
    subject = f"id {user.id}"
    for _ in range(3):  # begun but never ended: the process died
        await throttle.begin(subject, client(), known_here=False)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=11)):
        assert await attempts(container, [user.username] * 3) == ["wrong"] * 2 + ["limited"]


async def test_without_redis_the_rules_hold_over_all_processes(
    without_redis: list[Container], user: SignedIn
) -> None:
    first, second = without_redis
    outcomes = []
    for _ in range(4):
        outcomes += [await attempt(first, user.username), await attempt(second, user.username)]
    assert Counter(outcomes) == {"wrong": 5, "limited": 3}
    for number in range(60):
        outcomes.append(await attempt(first, user.username, by=client(f"203.0.113.{number + 50}")))
        outcomes.append(await attempt(second, user.username, by=client(f"203.0.112.{number}")))
    assert Counter(outcomes) == {"wrong": 100, "limited": 28}


FEW = Quota("overall of a test", 100, 60)  # once it is spent, a turn every 0.6 s


async def under_attack(container: Container, **options: Any) -> LoginThrottle:
    """Throttles with so many failures that unknown networks are slowed down."""
    throttle = LoginThrottle(container.db, container.quotas, overall=FEW, **options)
    stranger = client("203.0.113.1")
    await throttle.fail(await throttle.begin("name", stranger, known_here=False))
    for _ in range(FEW.limit - 1):
        assert (await container.quotas.take(FEW, "")).allowed
    return throttle


async def paced(throttle: LoginThrottle, *, known_here: bool = False) -> float:
    """Seconds until an attempt may begin."""
    began = time.monotonic()
    await throttle.pace(known_here=known_here)
    return time.monotonic() - began


async def test_a_broad_attack_delays_unknown_networks_only(container: Container) -> None:
    throttle = await under_attack(container)
    turns = asyncio.gather(*(paced(throttle) for _ in range(3)))
    await asyncio.sleep(0)
    assert await paced(throttle, known_here=True) < 0.5
    assert [seconds > 0.5 for seconds in sorted(await turns)] == [True] * 3
    assert max(await turns) > 1.7


async def test_unknown_networks_are_not_delayed_without_an_attack(container: Container) -> None:
    throttle = LoginThrottle(container.db, container.quotas, overall=Quota("rare", 1, 3600))
    assert await paced(throttle) < 1


async def test_the_delay_is_bounded(container: Container) -> None:
    throttle = await under_attack(container, most_waiting=2)
    outcomes = await asyncio.gather(*(paced(throttle) for _ in range(6)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, ServiceUnavailable)]
    assert (len(refused), {one.headers["Retry-After"] for one in refused}) == (4, {"2"})
    assert await paced(throttle, known_here=True) < 0.5


async def test_a_thousand_failures_lock_no_new_network_out(container: Container, user: SignedIn) -> None:
    for _ in range(OVERALL.limit):
        await container.quotas.take(OVERALL, "")
    assert not (await container.quotas.peek(OVERALL, "")).allowed
    guesses = [attempt(container, f"name{number}", by=client(f"203.0.113.{number}")) for number in range(30)]
    right = attempt(container, user.username, password=PASSWORD, by=client("198.51.100.99"))
    assert Counter(await asyncio.gather(*guesses, right)) == {"wrong": 30, "in": 1}
    assert await attempts(container, [user.username] * 6) == ["wrong"] * 5 + ["limited"]


async def test_sixty_registrations_a_minute(container: Container) -> None:
    outcomes: Counter[str] = Counter()
    here = client()
    for number in range(62):
        try:
            await container.accounts.registration.register(
                here, username=None, email=f"mio{number}@example.org", password=PASSWORD
            )
            outcomes["in"] += 1
        except RateLimited:
            outcomes["limited"] += 1
    assert outcomes == {"in": 60, "limited": 2}
    assert here.headers["RateLimit-Limit"] == "60"
    await container.accounts.registration.register(
        client(HOME), username=None, email="other@example.org", password=PASSWORD
    )


async def test_too_long_a_queue_is_rejected(container: Container, user: SignedIn) -> None:
    narrow = PasswordHasher(threads=1, most_waiting=3)
    outcomes: Counter[int] = Counter()

    async def one() -> None:
        try:
            async with narrow.slot():
                await narrow.verify("a password", None)
            outcomes[200] += 1
        except AppError as error:
            outcomes[error.status if "Retry-After" in error.headers else 0] += 1

    await asyncio.gather(*(one() for _ in range(20)))
    narrow.close()
    assert outcomes == {200: 5, 503: 15}
