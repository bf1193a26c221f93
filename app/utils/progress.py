"""Progress of long commands on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

_INTERVAL = 5.0  # seconds between two plain lines


class Report(Protocol):
    """Called with the amount done, the total if it is known, and an optional note."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


@contextmanager
def progress(
    title: str, *, to: TextIO | None = None, now: Callable[[], float] = time.monotonic
) -> Iterator[Report]:
    to = to or sys.stderr
    with _bar(title, to) if to.isatty() else _lines(title, to, now) as report:
        yield report


@contextmanager
def _bar(title: str, to: TextIO) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(file=to)) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int | None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{title} {note}".rstrip())

        yield report


@contextmanager
def _lines(title: str, to: TextIO, now: Callable[[], float]) -> Iterator[Report]:
    printed_at = now()

    def report(done: int, total: int | None, note: str = "") -> None:
        nonlocal printed_at
        if now() - printed_at >= _INTERVAL:
            printed_at = now()
            # 100 % only at the end: a file that was read is not stored yet
            share = f"{min(100 * done // total, 99)} %" if total else str(done)
            print(f"{title}: {share}" + (f", {note}" if note else ""), file=to, flush=True)

    yield report
