"""Work in the background: its failures are logged and counted, and what should never end is begun again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from app.utils.metrics import BACKGROUND_FAILURES

T = TypeVar("T")

_log = logging.getLogger(__name__)


def start(work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
    """A task for work that nobody may be waiting for when it fails. The caller keeps it, and cancels it."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report_failure)
    return task


def start_loop(work: Callable[[], Awaitable[None]], name: str, *, pause: float = 1.0) -> "asyncio.Task[None]":
    """A task for work that goes on until it is cancelled: begun again ``pause`` seconds after it ended."""
    return asyncio.create_task(_again(work, name, pause), name=name)


def report_failure(task: "asyncio.Future[Any]") -> None:
    """Log and count how a finished task failed, if it did."""
    if not task.cancelled() and (error := task.exception()):
        _report(error, task.get_name() if isinstance(task, asyncio.Task) else "")


async def _again(work: Callable[[], Awaitable[None]], name: str, pause: float) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the work has to go on
            _report(error, name)
        await asyncio.sleep(pause)


def _report(error: BaseException, name: str) -> None:
    BACKGROUND_FAILURES.labels(name).inc()
    _log.error("background.failed", exc_info=error, extra={"task": name})
