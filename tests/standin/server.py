"""Two small HTTP servers in one process: the upstream, and its control server."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.standin.anilibria import AniLibriaWorld
from tests.standin.faults import LIMITED, MODES, Dropped, Rule, cut, misbehave, status_of, write
from tests.standin.journal import Call, Journal, as_rows, most_in
from tests.standin.world import Reply, World


@dataclass(frozen=True)
class Request:
    at: float
    method: str
    target: str
    body: bytes


@dataclass(frozen=True)
class Link:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Handler = Callable[[Request, Link], Awaitable[None]]


class Listener:
    """Keep-alive HTTP/1.1 on 127.0.0.1; can stop listening and come back on the same port."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[Any], Link] = {}
        self._opened = 0
        self.port = 0

    async def open(self, port: int = 0) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", port or self.port, backlog=1024
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut_all()

    async def cut_all(self) -> None:
        """End every connection with RST; returns when their responses have stopped."""
        tasks = dict(self._links)
        for task, link in tasks.items():
            cut(link.writer)
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened += 1
        link = Link(self._opened, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = link
        try:
            while (request := await _read(reader)) is not None:
                await self._handler(request, link)
        except (Dropped, OSError, asyncio.CancelledError):
            pass  # the client disconnected, or was disconnected: there is no receiver
        finally:
            del self._links[task]
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    at = time.monotonic()
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    length = int(headers.get("content-length", "0"))
    return Request(at, method, target, await reader.readexactly(length) if length else b"")


class Standin:
    """The upstream: finds the response, applies a matching rule, and logs every call."""

    def __init__(self, world: World | AniLibriaWorld, *, enforce: bool = False) -> None:
        self.world = world
        self.journal = Journal()
        self.rules: list[Rule] = []
        self.enforce = enforce
        self._seen: set[int] = set()
        self._accepted: list[float] = []
        self.upstream = Listener(self._answer)
        self.control = Listener(self._steer)
        self._reopening: asyncio.Task[None] | None = None

    async def _answer(self, request: Request, link: Link) -> None:
        if link.number not in self._seen:
            self._seen.add(link.number)
            self.journal.connections += 1
        reply = self._lookup(request)
        rule = next((rule for rule in self.rules if rule.takes(request.target)), None)
        mode, status = (rule.mode, status_of(rule, reply)) if rule else ("ok", reply.status)
        if rule is None and self.enforce and self._too_many(request.at):
            mode, status, reply = "limited", 429, Reply(429, LIMITED)
        self.journal.calls.append(Call(request.at, link.number, request.target, mode, status))
        self.journal.enter()
        watch = asyncio.create_task(_stop_when_gone(link, asyncio.current_task()))
        try:
            await (write(link.writer, reply) if rule is None else misbehave(link.writer, rule, reply))
        finally:
            watch.cancel()
            self.journal.leave()

    def _lookup(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.world.answer(request.target)
        message = b'{"status":405,"type":"HttpException","message":"Method Not Allowed","error":null}'
        return Reply(405, message)

    def _too_many(self, at: float) -> bool:
        recent = [t for t in self._accepted if at - t < 60]
        if len(recent) >= 60 or sum(at - t < 1 for t in recent) >= 3:
            return True
        self._accepted = [*recent, at]
        return False

    async def _steer(self, request: Request, link: Link) -> None:
        order: dict[str, Any] = json.loads(request.body) if request.body else {}
        path, _, _ = request.target.partition("?")
        steps = {
            "/behave": self._behave,
            "/clear": self._clear,
            "/reset": self._reset,
            "/refuse": self._refuse,
            "/accept": self._accept,
            "/enforce": self._enforce,
            "/change": self._change,
            "/forget": self._forget,
            "/calls": self._calls,
            "/stats": self._stats,
        }
        step = steps.get(path)
        if step is None:
            await write(link.writer, Reply(404, json.dumps({"known": sorted(steps)}).encode()))
            return
        try:
            answer = await step(order)
        except (KeyError, ValueError, TypeError) as error:
            await write(link.writer, Reply(400, json.dumps({"error": repr(error)}).encode()))
        else:
            await write(link.writer, Reply(200, json.dumps(answer).encode()))

    async def _behave(self, order: dict[str, Any]) -> dict[str, int]:
        mode, match, times = order.pop("mode"), order.pop("match", ""), order.pop("times", None)
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; there are {sorted(MODES)}")
        rule = Rule(mode, match, times, order)
        self.rules.insert(0, rule)
        return {"id": rule.id}

    async def _clear(self, order: dict[str, Any]) -> dict[str, int]:
        """Drop one rule, or all; responses already in progress stay faulty."""
        wanted = order.get("id")
        self.rules = [rule for rule in self.rules if wanted is not None and rule.id != wanted]
        return {"left": len(self.rules)}

    async def _reset(self, _: dict[str, Any]) -> dict[str, bool]:
        self.rules.clear()
        self.enforce = False
        self._accepted.clear()
        self.world.restore()
        await self._accept({})
        await self.upstream.cut_all()
        self.journal.clear()
        return {"reset": True}

    async def _refuse(self, order: dict[str, Any]) -> dict[str, bool]:
        """No connection is accepted, for ``seconds`` or until ``/accept``."""
        await self.upstream.shut()
        if (seconds := order.get("seconds")) is not None:
            self._reopening = asyncio.create_task(self._reopen_after(float(seconds)))
        return {"refusing": True}

    async def _reopen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.upstream.open()

    async def _accept(self, _: dict[str, Any]) -> dict[str, bool]:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        await self.upstream.open()
        return {"refusing": False}

    async def _enforce(self, order: dict[str, Any]) -> dict[str, bool]:
        self.enforce = bool(order.get("on", True))
        self._accepted.clear()
        return {"enforce": self.enforce}

    async def _change(self, order: dict[str, Any]) -> dict[str, bool]:
        self.world.change(int(order["mal_id"]), dict(order["fields"]))
        return {"changed": True}

    async def _forget(self, order: dict[str, Any]) -> dict[str, bool]:
        self.world.forget(int(order["mal_id"]))
        return {"forgotten": True}

    async def _calls(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        return as_rows(self.journal.calls[int(order.get("since", 0)) :])

    async def _stats(self, order: dict[str, Any]) -> dict[str, Any]:
        figures = self.journal.figures()
        if "window" in order:
            figures["max_window"] = most_in([call.at for call in self.journal.calls], float(order["window"]))
        return figures | {"now": time.monotonic()}


async def _stop_when_gone(link: Link, task: "asyncio.Task[Any] | None") -> None:
    """Stop responding to a disconnected client, so that ``in_flight`` is accurate."""
    while not (link.reader.at_eof() or link.writer.transport.is_closing()):  # noqa: ASYNC110  streams tell of neither
        await asyncio.sleep(0.05)
    if task is not None:
        task.cancel()
