"""Background tasks: failures are reported, loops restart."""

import asyncio

import pytest

from app.utils.background import start, start_loop
from app.utils.metrics import BACKGROUND_FAILURES


def failures(name: str) -> float:
    return float(BACKGROUND_FAILURES.labels(name)._value.get())


async def test_an_unawaited_failure_is_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("swordfish")

    task = start(fail(), "a test")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert "ZeroDivisionError: swordfish" in caplog.text
    assert failures("a test") == 1


async def test_cancellation_and_success_are_not_failures(caplog: pytest.LogCaptureFixture) -> None:
    ended, cancelled = start(asyncio.sleep(0, "done"), "quiet"), start(asyncio.sleep(60), "quiet")
    cancelled.cancel()
    await asyncio.wait({ended, cancelled})
    assert (ended.result(), cancelled.cancelled()) == ("done", True)
    assert (caplog.text, failures("quiet")) == ("", 0)


async def test_a_loop_restarts_after_a_failure_and_after_an_end(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0
    goes_on = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ZeroDivisionError
        if begun > 2:
            goes_on.set()
            await asyncio.sleep(60)

    task = start_loop(work, "a loop", pause=0.01)
    await asyncio.wait_for(goes_on.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (begun, failures("a loop"), task.cancelled()) == (3, 1, True)
    assert "ZeroDivisionError" in caplog.text
