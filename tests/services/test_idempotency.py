"""Claims on idempotency keys: one owner at a time, however slow."""

import asyncio

import pytest

from app.schemas.domain.idempotency import Answer, KeyClaim
from app.services.idempotency import IdempotencyService, KeyReused, StillRunning
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

ENCRYPTION = Encryption("a secret of tests, longer than 32 bytes")
ASKED = b"a digest of what was asked"


def answer(body: bytes) -> Answer:
    return Answer(201, {"etag": '"1"'}, body)


async def claimed(service: IdempotencyService, user: SignedIn) -> KeyClaim:
    claim = await service.begin(user.id, "k", ASKED)
    assert isinstance(claim, KeyClaim)
    return claim


async def test_a_request_that_lost_its_claim_does_not_overwrite_the_answer(
    database: Database, user: SignedIn
) -> None:
    service, impatient = (IdempotencyService(database, ENCRYPTION, lease=lease) for lease in (60, 0))
    slow = await claimed(service, user)
    quick = await claimed(impatient, user)
    assert quick != slow
    await service.finish(slow, answer(b"slow"))  # while the other is still running
    with pytest.raises(StillRunning):
        await service.begin(user.id, "k", ASKED)
    await service.finish(quick, answer(b"quick"))
    await service.finish(slow, answer(b"slow"))
    await service.abandon(slow)
    assert await service.begin(user.id, "k", ASKED) == answer(b"quick")


async def test_a_claim_is_renewed_while_its_request_runs(database: Database, user: SignedIn) -> None:
    service = IdempotencyService(database, ENCRYPTION, lease=3)
    claim = await claimed(service, user)
    async with service.renewed(claim):
        for _ in range(9):
            await asyncio.sleep(0.5)
            with pytest.raises(StillRunning):
                await service.begin(user.id, "k", ASKED)
        await service.finish(claim, answer(b"slow"))
    assert await service.begin(user.id, "k", ASKED) == answer(b"slow")


async def test_a_dead_request_is_taken_over_only_by_its_repetition(
    database: Database, user: SignedIn
) -> None:
    service = IdempotencyService(database, ENCRYPTION, lease=0)
    await claimed(service, user)
    with pytest.raises(KeyReused):
        await service.begin(user.id, "k", b"something else")
    await claimed(service, user)


async def test_responses_stored_under_the_old_secret_are_replayed_under_the_new_one(
    database: Database, user: SignedIn
) -> None:
    old = "a secret of tests, longer than 32 bytes"
    before = IdempotencyService(database, ENCRYPTION)
    await before.finish(await claimed(before, user), answer(b"body"))
    after = IdempotencyService(database, Encryption("a new secret, longer than 32 bytes", previous=old))
    assert await after.begin(user.id, "k", ASKED) == answer(b"body")
