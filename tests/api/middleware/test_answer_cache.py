"""The cache in front of the router: keys, expiry, invalidation and privacy."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.api.conditional import etag_of, is_known
from app.api.middleware.answer_cache import AnswerCache, AnswerStore
from app.api.surfaces import respond
from app.config import Settings
from app.errors import (
    AppError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    Unauthenticated,
)

ETAG = etag_of(b"1")


class Router:
    """Responds with the number of requests so far, once it is released."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.headers = {"etag": ETAG, "cache-control": "public, no-cache", "x-total-count": "7"}
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: Callable[[], object] = lambda: self.asked
        self.failure: Exception | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        body = str(self.seen()).encode()
        await self.gate.wait()
        scope["route"] = "the route"
        if isinstance(self.failure, AppError):
            await (await respond(Request(scope), self.failure))(scope, receive, send)
            return
        if self.failure is not None:
            raise self.failure
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})


class Bench:
    """A cache around a router, with a clock set by the test."""

    def __init__(self, **options: Any) -> None:
        self.now = 100.0
        self.router = Router()
        self.store = AnswerStore(clock=lambda: self.now, **options)
        self.cache = AnswerCache(self.router, self.store, Settings(_env_file=None))

    async def ask(
        self,
        path: str = "/anime",
        query: str = "",
        *,
        method: str = "GET",
        request_id: str = "",
        **headers: str,
    ) -> tuple[int, bytes, dict[str, str], Any]:
        """Status, body, headers, and the route reported to the rest of the application."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError("nobody reads a body here")

        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "scheme": "http",
            "state": {"request_id": request_id},
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        await self.cache(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], b"".join(part["body"] for part in sent[1:]), told, scope.get("route")


async def test_a_cached_response_is_identical() -> None:
    bench = Bench()
    assert await bench.ask() == await bench.ask()
    status, body, headers, route = await bench.ask()
    assert (status, body, route, bench.router.asked) == (200, b"1", "the route", 1)
    assert headers == {**bench.router.headers, "content-length": "1"}


async def test_cached_responses_expire_after_seconds() -> None:
    bench = Bench(seconds=5)
    await bench.ask()
    bench.now += 4.9
    await bench.ask()
    assert bench.router.asked == 1
    bench.now += 0.2
    assert (await bench.ask())[1] == b"2"


@pytest.mark.parametrize("other", [("/anime", "limit=2", "a"), ("/genres", "", "a"), ("/anime", "", "b")])
async def test_path_query_and_host_are_the_cache_key(other: tuple[str, str, str]) -> None:
    bench = Bench()
    await bench.ask("/anime", "", host="a")
    assert (await bench.ask(other[0], other[1], host=other[2]))[1] == b"2"


@pytest.mark.parametrize(
    "path", ["/jobs", "/users/me", "/anime/mal/5", "/anime/jikan/top", "/anime/x", "/animes"]
)
async def test_other_paths_are_not_cached(path: str) -> None:
    bench = Bench()
    await bench.ask(path)
    assert (await bench.ask(path))[1] == b"2"


async def test_writes_are_not_cached() -> None:
    bench = Bench()
    await bench.ask()
    assert (await bench.ask(method="POST"))[1] == b"2"


async def test_searches_are_not_cached_but_can_be_304() -> None:
    bench = Bench()
    assert (await bench.ask("/search/anime", "q=ab"))[1] == b"1"
    status, body, _, _ = await bench.ask("/search/anime", "q=ab", if_none_match=ETAG)
    assert (status, body, bench.router.asked) == (304, b"", 2)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {"etag": ETAG, "cache-control": "public"}),
        (200, {"etag": ETAG, "cache-control": "private"}),
        (200, {"etag": ETAG}),
        (200, {"cache-control": "public"}),
    ],
)
async def test_only_cacheable_responses_are_kept(status: int, headers: dict[str, str]) -> None:
    bench = Bench()
    bench.router.status, bench.router.headers = status, headers
    first = await bench.ask()
    assert (first[0], first[1]) == (status, b"1")
    assert (await bench.ask(if_none_match="*"))[1] == b"2"


async def test_no_cache_refreshes_the_cached_response() -> None:
    bench = Bench()
    await bench.ask()
    assert (await bench.ask(cache_control="no-cache"))[1] == b"2"
    assert (await bench.ask(cache_control="max-age=0"))[1] == b"3"
    assert (await bench.ask(cache_control="No-Store"))[1] == b"4"
    assert (await bench.ask())[1] == b"3"


async def test_a_change_clears_the_cache() -> None:
    bench = Bench()
    await bench.ask()
    bench.store.forget()
    assert (await bench.ask())[1] == b"2"


async def test_a_response_read_before_a_change_is_not_cached() -> None:
    bench = Bench()
    bench.router.gate.clear()
    reader = asyncio.create_task(bench.ask())  # it has read the old state, and responds late
    await asyncio.sleep(0)
    bench.store.forget()
    later = asyncio.create_task(bench.ask())  # it began after the change, so it must not get the old state
    await asyncio.sleep(0)
    bench.router.gate.set()
    assert ((await reader)[1], (await later)[1]) == (b"1", b"2")
    assert (await bench.ask())[1] == b"2"


async def test_concurrent_requests_are_coalesced() -> None:
    bench = Bench()
    bench.router.gate.clear()
    crowd = [asyncio.create_task(bench.ask()) for _ in range(50)]
    await asyncio.sleep(0)
    crowd[7].cancel()
    await asyncio.sleep(0)
    bench.router.gate.set()
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(answers.pop(7), asyncio.CancelledError)
    assert {answer[1] for answer in answers} == {b"1"}  # type: ignore[index]
    assert (bench.router.asked, bench.store.flights) == (1, {})


async def test_a_cancelled_leader_is_replaced() -> None:
    bench = Bench()
    bench.router.gate.clear()
    leader, follower = (asyncio.create_task(bench.ask()) for _ in range(2))
    await asyncio.sleep(0)
    leader.cancel()
    await asyncio.sleep(0)
    bench.router.gate.set()
    assert (await follower)[1] == b"2"
    assert leader.cancelled()


@pytest.mark.parametrize("failure", [NotFound(), Invalid(), ServiceUnavailable(retry_after=3), AppError()])
async def test_concurrent_requests_share_an_uncached_failure(failure: AppError) -> None:
    bench = Bench()
    bench.router.gate.clear()
    bench.router.failure = failure
    crowd = [asyncio.create_task(bench.ask(request_id=f"id-{number}")) for number in range(50)]
    await asyncio.sleep(0)
    bench.router.gate.set()
    answers = await asyncio.gather(*crowd)
    assert {(status, route) for status, _, _, route in answers} == {(failure.status, "the route")}
    assert [json.loads(body)["request_id"] for _, body, _, _ in answers] == [f"id-{n}" for n in range(50)]
    assert {headers.get("retry-after") for _, _, headers, _ in answers} == {
        failure.headers.get("Retry-After")
    }
    assert bench.router.asked == 1
    bench.router.failure = None
    assert (await bench.ask())[:2] == (200, b"2")


async def test_concurrent_requests_share_a_crash() -> None:
    bench = Bench()
    bench.router.gate.clear()
    bench.router.failure = ZeroDivisionError()
    crowd = [asyncio.create_task(bench.ask()) for _ in range(50)]
    await asyncio.sleep(0)
    bench.router.gate.set()
    outcomes = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ZeroDivisionError}
    assert (bench.router.asked, bench.store.flights) == (1, {})


@pytest.mark.parametrize("failure", [Unauthenticated(), Forbidden(), RateLimited(retry_after=1)])
async def test_client_specific_failures_are_not_shared(failure: AppError) -> None:
    bench = Bench()
    bench.router.gate.clear()
    bench.router.failure = failure
    crowd = [asyncio.create_task(bench.ask()) for _ in range(3)]
    await asyncio.sleep(0)
    bench.router.gate.set()
    await asyncio.gather(*crowd)
    assert bench.router.asked == 3


async def test_waiters_of_a_cancelled_leader_stay_coalesced() -> None:
    bench = Bench()
    bench.router.gate.clear()
    crowd = [asyncio.create_task(bench.ask()) for _ in range(50)]
    await asyncio.sleep(0)
    crowd.pop(0).cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    bench.router.gate.set()
    assert {answer[1] for answer in await asyncio.gather(*crowd)} == {b"2"}
    assert bench.router.asked == 2


@pytest.mark.parametrize(
    ("query", "asked"),
    [("search=ab", 2), ("genre=x&q=ab", 2), ("%73earch=ab", 2), ("genre%5B%5D=x", 1), ("sort=search", 1)],
)
async def test_search_pages_are_not_cached(query: str, asked: int) -> None:
    bench = Bench()
    for _ in range(2):
        await bench.ask(query=query)
    assert bench.router.asked == asked


async def test_the_cache_is_bounded_and_evicts_the_least_recently_used() -> None:
    bench = Bench(room=13_000)
    bench.router.seen = lambda: "x" * 2000
    for number in range(3):
        await bench.ask(query=f"offset={number}")
    await bench.ask(query="offset=0")
    await bench.ask(query="offset=3")
    assert bench.router.asked == 4
    await bench.ask(query="offset=0")
    assert bench.router.asked == 4
    await bench.ask(query="offset=1")
    assert bench.router.asked == 5


async def test_too_long_queries_and_responses_are_not_cached() -> None:
    bench = Bench()
    for _ in range(2):
        await bench.ask(query="genre=" + "x" * 2000)
    assert bench.router.asked == 2
    bench.router.seen = lambda: "x" * (1024 * 1024 + 1)
    for _ in range(2):
        await bench.ask()
    assert bench.router.asked == 4


KNOWN = [ETAG, f"W/{ETAG}", "*", f'"a", {ETAG}', f'W/"a,b" ,W/{ETAG}', f'"",{ETAG}']
UNKNOWN = ["", '"x"', ETAG.strip('"'), ETAG.upper(), f'"{ETAG}', "**", '"', ","]


@pytest.mark.parametrize("sent", KNOWN)
async def test_a_matching_etag_is_304(sent: str) -> None:
    bench = Bench()
    for asked in (1, 1):  # made once, stored once
        status, body, headers, route = await bench.ask(if_none_match=sent)
        assert (status, body, route, bench.router.asked) == (304, b"", "the route", asked)
        assert headers == bench.router.headers


@pytest.mark.parametrize("sent", UNKNOWN)
async def test_another_etag_gets_the_response(sent: str) -> None:
    assert not is_known(ETAG, sent)
    assert (await Bench().ask(if_none_match=sent))[0] == 200


async def test_a_change_of_titles_clears_only_their_own_pages() -> None:
    bench = Bench()
    for path in ("/anime", "/anime/1", "/anime/11"):
        await bench.ask(path)

    bench.store.forget([1])

    for path in ("/anime", "/anime/1", "/anime/11"):
        await bench.ask(path)
    assert bench.router.asked == 4
