"""Background tasks: failures are logged and counted, endless loops are restarted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from app.utils.metrics import BACKGROUND_FAILURES

T = TypeVar("T")

_log = logging.getLogger(__name__)


def start(work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
    """Start a task whose failure is reported even if nobody awaits it. The caller owns and cancels it."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report_failure)
    return task


def start_loop(work: Callable[[], Awaitable[None]], name: str, *, pause: float = 1.0) -> "asyncio.Task[None]":
    """Start a task that repeats ``work`` until cancelled, ``pause`` seconds after each end or failure."""
    return asyncio.create_task(_repeat(work, name, pause), name=name)


def report_failure(task: "asyncio.Future[Any]") -> None:
    """Log and count the exception of a finished task, if there is one."""
    if not task.cancelled() and (error := task.exception()):
        _report(error, task.get_name() if isinstance(task, asyncio.Task) else "")


async def _repeat(work: Callable[[], Awaitable[None]], name: str, pause: float) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # the loop must survive any failure of one round
            _report(error, name)
        await asyncio.sleep(pause)


def _report(error: BaseException, name: str) -> None:
    BACKGROUND_FAILURES.labels(name).inc()
    _log.error("background.failed", exc_info=error, extra={"task": name})
