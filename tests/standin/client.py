"""Start the stand-in from a test, control it and read its counters."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.standin.journal import Call, most_in

_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Stats:
    """``max_1s`` and ``max_60s``: the most arrivals in any such window; ``now``: the stand-in's clock."""

    total: int
    by_path: Mapping[str, int]
    by_mode: Mapping[str, int]
    max_1s: int
    max_60s: int
    in_flight: int
    max_in_flight: int
    connections: int
    now: float


class JikanStandin:
    """A stand-in in a process of its own; it ends with the ``with`` block, or with this process.

    All methods block for a millisecond or two; that is short enough to call them from a coroutine.
    """

    upstream = "jikan"

    def __init__(self, *, port: int = 0, shared: Path | None = None, enforce: bool = False) -> None:
        self._arguments = ["--upstream", self.upstream, "--port", str(port), "--tethered"]
        self._arguments += ["--enforce"] if enforce else []
        if shared is not None:
            self._arguments += ["--shared", str(shared)]
        self._process: subprocess.Popen[bytes] | None = None
        self._control = 0
        self.base_url = ""

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.standin", *self._arguments],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the stand-in did not start: exit code {self._process.wait()}")
        where = json.loads(line)
        self.base_url, self._control = where["base_url"], where["control_port"]
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process = None

    def behave(self, mode: str, *, match: str = "", times: int | None = None, **options: Any) -> int:
        """Answer targets that match the regular expression like this; the newest rule wins.

        ``times=None`` lasts until cleared. Modes and options:
        ``status`` (status, retry_after "7" | "date:7" | anything, headers, body, content_type),
        ``body`` (body, content_type), ``html`` (content_type), ``garbage``, ``nan``, ``deep`` (depth),
        ``hang``, ``slow`` (seconds), ``drip`` (interval), ``truncated``, ``short_chunk``,
        ``huge`` (size, announce), ``bomb`` (size), ``false_gzip``, ``close``, ``reset``.
        Returns the rule's id.
        """
        order = {"mode": mode, "match": match, "times": times, **options}
        return int(self._order("/behave", order)["id"])

    def clear(self, rule: int | None = None) -> None:
        """Drop one rule, or all of them."""
        self._order("/clear", {} if rule is None else {"id": rule})

    def refuse(self, seconds: float | None = None) -> None:
        """Cut all connections and accept none, for this long or until :meth:`accept`."""
        self._order("/refuse", {} if seconds is None else {"seconds": seconds})

    def accept(self) -> None:
        self._order("/accept")

    def enforce(self, on: bool = True) -> None:
        """Answer 429 above 3 a second or 60 a minute, as Jikan does."""
        self._order("/enforce", {"on": on})

    def change(self, mal_id: int, **fields: Any) -> None:
        """Give this title other values, in lists and alone; an unknown id becomes known."""
        self._order("/change", {"mal_id": mal_id, "fields": fields})

    def forget(self, mal_id: int) -> None:
        """Make this title a 404, and remove it from lists."""
        self._order("/forget", {"mal_id": mal_id})

    def reset(self) -> None:
        """Reset everything: no rules, no changes, an empty log, every connection cut."""
        self._order("/reset")

    def calls(self, matching: Callable[[Call], bool] = lambda _: True) -> list[Call]:
        """Every call so far, in order of arrival."""
        rows: list[dict[str, Any]] = self._order("/calls")
        return [call for call in (Call(**row) for row in rows) if matching(call)]

    def stats(self) -> Stats:
        return Stats(**self._order("/stats"))

    def most_in(self, seconds: float) -> int:
        """The most calls in any window of this length."""
        return most_in([call.at for call in self.calls()], seconds)

    def _order(self, path: str, order: Mapping[str, Any] | None = None) -> Any:
        link = http.client.HTTPConnection("127.0.0.1", self._control, timeout=10)
        try:
            link.request("POST", path, json.dumps(order or {}), {"Content-Type": "application/json"})
            answer = link.getresponse()
            body = json.loads(answer.read())
        finally:
            link.close()
        if answer.status != 200:
            raise ValueError(body)
        return body

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class AniLibriaStandin(JikanStandin):
    """The same for AniLibria: ``change`` and ``forget`` take the id of a release."""

    upstream = "anilibria"
