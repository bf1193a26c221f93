"""The append-only log of calls, and the statistics computed from it."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """``at`` is ``time.monotonic()``, comparable between processes.

    ``mode`` is the fault applied to the call.
    """

    at: float
    connection: int
    target: str
    mode: str
    status: int | None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


def most_in(times: Sequence[float], seconds: float) -> int:
    """The largest number of arrivals in any half-open window of this length."""
    window: deque[float] = deque()
    most = 0
    for at in sorted(times):
        window.append(at)
        while at - window[0] >= seconds:
            window.popleft()
        most = max(most, len(window))
    return most


class Journal:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0

    def enter(self) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def leave(self) -> None:
        self.in_flight -= 1

    def clear(self) -> None:
        self.calls.clear()
        self.most_in_flight = self.in_flight
        self.connections = 0

    def figures(self) -> dict[str, Any]:
        times = [call.at for call in self.calls]
        return {
            "total": len(times),
            "by_path": dict(Counter(call.path for call in self.calls)),
            "by_mode": dict(Counter(call.mode for call in self.calls)),
            "max_1s": most_in(times, 1.0),
            "max_60s": most_in(times, 60.0),
            "in_flight": self.in_flight,
            "max_in_flight": self.most_in_flight,
            "connections": self.connections,
        }


def as_rows(calls: Iterable[Call]) -> list[dict[str, Any]]:
    return [asdict(call) for call in calls]
