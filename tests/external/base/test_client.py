"""The upstream client: retries, deadlines, limits, and translation of faults."""

import asyncio

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.errors import AppError, NotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.external.base.client import JOB, USER, Breaker, Policy, Request, UpstreamClient
from app.utils.redis.rate_limit import LimitReached
from tests.external.doubles import BASE, Answers, ManualClock, OpenLimiter

OK = httpx.Response(200, json={"data": {}})
POLICY = Policy("test", "Testdom", size_limit=1000)


class Stack:
    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.wire = Answers(*answers)
        self.gate = OpenLimiter()
        self.clock = ManualClock()
        self.breaker = Breaker("test", clock=self.clock)
        self.client = UpstreamClient(
            BASE,
            POLICY,
            limiter=self.gate,
            breaker=lambda: self.breaker,
            transport=self.wire,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    @property
    def calls(self) -> int:
        return len(self.wire.requests)


async def test_a_response_is_returned() -> None:
    stack = Stack(OK)
    assert await stack.client.get("anime", 5, deadline=USER) == {"data": {}}
    assert (stack.calls, len(stack.gate.asked)) == (1, 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_temporary_faults_are_retried(status: int) -> None:
    stack = Stack(httpx.Response(status, headers={"Retry-After": "1"}), OK)
    assert await stack.client.get("x", deadline=JOB) == {"data": {}}
    assert stack.calls == 2


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("no"),
        httpx.ReadError("cut"),
        httpx.RemoteProtocolError("bad"),
        httpx.ReadTimeout(""),
    ],
)
async def test_transport_faults_are_retried(fault: Exception) -> None:
    stack = Stack(fault, OK)
    assert await stack.client.get("x", deadline=USER) == {"data": {}}
    assert stack.calls == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 301])
async def test_other_responses_are_final(status: int) -> None:
    stack = Stack(httpx.Response(status, headers={"Location": "http://elsewhere.test/"}))
    with pytest.raises(NotFound if status == 404 else UpstreamError):
        await stack.client.get("x", deadline=JOB)
    assert stack.calls == 1


@pytest.mark.parametrize(("deadline", "most"), [(USER, 3), (JOB, 5)])
async def test_attempts_are_few_and_each_pays_for_its_slot(deadline: object, most: int) -> None:
    stack = Stack(httpx.Response(500))
    with pytest.raises(UpstreamError):
        await stack.client.get("x", deadline=USER if most == 3 else JOB)
    assert stack.calls == len(stack.gate.asked) == most
    assert len(stack.clock.slept) == most - 1


async def test_backoff_grows_with_full_jitter() -> None:
    seen: list[list[float]] = []
    for _ in range(300):
        stack = Stack(httpx.Response(500))
        with pytest.raises(UpstreamError):
            await stack.client.get("x", deadline=JOB)
        seen.append(stack.clock.slept)
    for number, highest in enumerate([1, 2, 4, 8]):
        pauses = sorted(one[number] / highest for one in seen)
        furthest = max(abs(pause - place / 300) for place, pause in enumerate(pauses))
        assert furthest < 0.13  # Kolmogorov-Smirnov against the uniform distribution, p < 0.0001


@pytest.mark.parametrize("header", ["7", None])
async def test_a_job_waits_for_retry_after(header: str | None) -> None:
    stack = Stack(httpx.Response(429, headers={"Retry-After": header} if header else {}), OK)
    if header is None:
        with pytest.raises(UpstreamUnavailable) as refusal:  # a wait of 60 s is longer than a job's deadline
            await stack.client.get("x", deadline=JOB)
        assert refusal.value.retry_after == 60
        assert (stack.calls, stack.clock.slept) == (1, [])
    else:
        await stack.client.get("x", deadline=JOB)
        assert stack.clock.slept == [7]
    assert stack.gate.bans == [7.0 if header else 60.0]


async def test_a_user_gets_retry_after_instead_of_waiting() -> None:
    stack = Stack(httpx.Response(429, headers={"Retry-After": "7"}))
    with pytest.raises(UpstreamUnavailable) as refusal:
        await stack.client.get("x", deadline=USER)
    assert refusal.value.retry_after == 7
    assert (stack.calls, stack.clock.slept, stack.gate.bans) == (1, [], [7.0])


async def test_the_budget_covers_all_attempts() -> None:
    stack = Stack(httpx.Response(503, headers={"Retry-After": "25"}))
    with pytest.raises(UpstreamError):
        await stack.client.get("x", deadline=JOB)
    assert stack.clock.slept == [25, 25]
    assert stack.calls == 3


async def test_the_wait_for_a_slot_leaves_time_for_the_call() -> None:
    stack = Stack(httpx.Response(503, headers={"Retry-After": "30"}), OK)
    await stack.client.get("x", deadline=JOB)
    assert [wait for _, wait in stack.gate.asked] == [55, 25]


async def test_no_slot_in_time_is_not_a_failure_of_the_upstream() -> None:
    stack = Stack(OK)
    stack.gate.refusal = LimitReached(12.5, banned=False)
    for _ in range(30):
        with pytest.raises(UpstreamUnavailable) as refusal:
            await stack.client.get("x", deadline=USER)
        assert refusal.value.retry_after == 12.5
    stack.gate.refusal = None
    assert await stack.client.get("x", deadline=USER)
    assert stack.calls == 1


async def test_the_breaker_stops_the_calls_and_finds_out_when_they_work_again() -> None:
    stack = Stack(*[httpx.Response(500)] * 8, OK)
    refusals = 0
    for _ in range(20):
        with pytest.raises(AppError) as failure:
            await stack.client.get("x", deadline=USER)
        refusals += isinstance(failure.value, UpstreamUnavailable)
    assert stack.calls == 8
    assert refusals > 15
    assert failure.value.headers["Retry-After"] in {"30", "31"}
    stack.clock.now += 30
    assert await stack.client.get("x", deadline=USER) == {"data": {}}
    assert not stack.breaker.is_open


async def test_a_long_outage_logs_few_lines_and_the_next_one_is_logged_again() -> None:
    stack = Stack(*[httpx.ConnectError("refused")] * 12, OK, httpx.ConnectError("refused"))
    with capture_logs() as lines:
        while len(stack.wire.requests) < 12:
            with pytest.raises(UpstreamUnavailable):
                await stack.client.get("x", deadline=USER)
            stack.clock.now += 7
        stack.clock.now += 31
        assert await stack.client.get("x", deadline=USER) == {"data": {}}
    told = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert told == ["upstream.failed", "upstream.breaker_opened", "upstream.breaker_closed"]
    with capture_logs() as lines, pytest.raises(UpstreamUnavailable):
        await stack.client.get("x", deadline=USER)
    assert [line["event"] for line in lines] == ["upstream.failed"]


async def test_unreachability_is_reported_even_if_the_next_call_is_not_sent() -> None:
    stack = Stack(*[httpx.ConnectError("refused")] * 20)
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        await stack.client.get("x", deadline=USER)
    stack.gate.refusal = LimitReached(12.5, banned=False)
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        await stack.client.get("x", deadline=USER)
    stack.gate.refusal = None
    for _ in range(10):
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await stack.client.get("x", deadline=USER)
    assert stack.breaker.is_open


@pytest.mark.parametrize("status", [404, 400, 403])
async def test_client_errors_do_not_open_the_breaker(status: int) -> None:
    stack = Stack(httpx.Response(status))
    for _ in range(40):
        with pytest.raises(AppError):
            await stack.client.get("x", deadline=USER)
    assert stack.calls == 40


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content-type": "text/html"}, b"<html>"),
        ({"content-type": "application/json"}, b"<html>"),
        ({"content-type": "application/json"}, b'{"data": NaN}'),
        ({"content-type": "application/json"}, b'{"data": 1e999}'),
        ({"content-type": "application/json"}, b'{"data": -Infinity}'),
        ({"content-type": "application/json"}, b"[]"),
        ({"content-type": "application/json"}, b"null"),
        ({"content-type": "application/json"}, b""),
        ({"content-type": "application/json"}, b'{"data": "\xff"}'),
        ({"content-type": "application/json"}, b'{"data": "' + b"x" * 1000 + b'"}'),
        ({"content-type": "application/json"}, b'{"a":' + b"[" * 480 + b"]" * 480 + b" "),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"{}"),
        ({"content-type": "application/json", "content-encoding": "br"}, b"{}"),
    ],
)
async def test_a_body_that_is_not_the_contract_is_an_error_at_once(
    headers: dict[str, str], content: bytes
) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield content

    calls = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(200, headers=headers, stream=Body())

    client = UpstreamClient(
        BASE,
        POLICY,
        limiter=OpenLimiter(),
        breaker=lambda: Breaker("test"),
        transport=httpx.MockTransport(answer),
    )
    with pytest.raises(UpstreamError) as failure:
        await client.get("x", deadline=JOB)
    assert (failure.value.status, calls) == (502, 1)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.jikan+json", ""])
async def test_json_suffix_types_are_json(kind: str) -> None:
    stack = Stack(httpx.Response(200, content=b"{}", headers={"content-type": kind}))
    assert await stack.client.get("x", deadline=USER) == {}


@pytest.mark.parametrize("part", ["", ".", ".."])
async def test_no_segment_escapes_the_base_path(part: str) -> None:
    stack = Stack(OK)
    with pytest.raises(ValueError, match="not a valid path"):
        await stack.client.get("anime", part, deadline=USER)
    await stack.client.get("anime", "../../internal", "http://evil.test/x", "a?b#c", deadline=USER)
    url = stack.wire.requests[0].url
    assert url.host == "jikan.test"
    assert url.raw_path == b"/v4/anime/..%2F..%2Finternal/http%3A%2F%2Fevil.test%2Fx/a%3Fb%23c"


async def test_a_cancelled_caller_has_no_effect() -> None:
    release = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        await release.wait()
        return OK

    breaker = Breaker("test", min_calls=1)
    client = UpstreamClient(
        BASE, POLICY, limiter=OpenLimiter(), breaker=lambda: breaker, transport=httpx.MockTransport(answer)
    )
    call = asyncio.create_task(client.get("x", deadline=USER))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not breaker.is_open
    release.set()
    assert await client.get("x", deadline=USER) == {"data": {}}
    await client.close()


async def test_calls_and_refusals_are_counted() -> None:
    def figure(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"upstream": "test", **labels}) or 0.0

    calls = "anisync_upstream_calls_total"
    before = {outcome: figure(calls, outcome=outcome) for outcome in ("ok", "server_error", "not_found")}
    refused = figure("anisync_upstream_refusals_total", reason="breaker")
    stack = Stack(OK, httpx.Response(404), httpx.Response(500))
    await stack.client.get("x", deadline=USER)
    for _ in range(10):
        with pytest.raises(AppError):
            await stack.client.get("x", deadline=USER)
    assert figure(calls, outcome="ok") - before["ok"] == 1
    assert figure(calls, outcome="not_found") - before["not_found"] == 1
    assert figure(calls, outcome="server_error") - before["server_error"] == stack.calls - 2
    assert figure("anisync_upstream_refusals_total", reason="breaker") > refused
    assert figure("anisync_upstream_breaker_open") == 1
    assert figure("anisync_upstream_seconds_count") >= stack.calls
    assert figure("anisync_upstream_wait_seconds_count", caller="user") >= stack.calls


async def test_no_answer_at_all_is_a_timeout() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    deadline = USER.__class__("hasty", 0.2, 0.2, 0.2, 3, 0.1, traffic="reader")
    client = UpstreamClient(
        BASE,
        POLICY,
        limiter=OpenLimiter(),
        breaker=lambda: Breaker("test"),
        transport=httpx.MockTransport(answer),
    )
    with pytest.raises(UpstreamTimeout):
        await client.get("x", deadline=deadline)
    await client.close()


class Hosts(httpx.MockTransport):
    """Responds by host name; a number stands for a response with that status."""

    def __init__(self, **states: int) -> None:
        super().__init__(self._answer)
        self.states = states
        self.asked: list[str] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host.partition(".")[0]
        self.asked.append(name)
        if not self.states[name]:
            raise httpx.ConnectError("gone")
        return httpx.Response(self.states[name], json={"host": name})


def client_of(hosts: Hosts) -> UpstreamClient:
    clock, urls = ManualClock(), ",".join(f"https://{name}.test/api/" for name in hosts.states)
    return UpstreamClient(
        urls, POLICY, limiter=OpenLimiter(), breaker=lambda: Breaker("test", clock=clock), transport=hosts,
        clock=clock, sleep=clock.sleep,
    )  # fmt: skip


@pytest.mark.parametrize("state", [0, 403, 451, 500])
async def test_the_hosts_of_a_list_are_tried_in_order_and_the_one_that_works_is_remembered(
    state: int,
) -> None:
    hosts = Hosts(first=state, second=0, third=200)
    client = client_of(hosts)
    assert await client.get("x", deadline=USER) == {"host": "third"}
    assert hosts.asked == ["first", "second", "third"]
    assert await client.get("x", deadline=USER) == {"host": "third"}
    assert hosts.asked[3:] == ["third"]
    hosts.states |= {"first": 200, "third": 0}
    assert await client.get("x", deadline=USER) == {"host": "first"}
    await client.close()


async def test_a_404_and_a_rate_limit_hold_for_all_hosts_of_an_upstream() -> None:
    for status, failure in ((404, NotFound), (429, UpstreamUnavailable)):
        hosts = Hosts(first=status, second=200)
        client = client_of(hosts)
        with pytest.raises(failure):
            await client.get("x", deadline=USER)
        assert set(hosts.asked) == {"first"}
        await client.close()


async def test_a_list_is_accepted_where_one_object_is_expected() -> None:
    stack = Stack(httpx.Response(200, json=[1]), httpx.Response(200, json=[1]), httpx.Response(204))
    assert await stack.client.ask(Request("/x", {}, shapes=(list,)), USER) == [1]
    with pytest.raises(UpstreamError):
        await stack.client.get("x", deadline=USER)
    assert await stack.client.ask(Request("/x", {}, {"a": 1}, {"X-A": "b"}, (type(None),)), USER) is None
    assert stack.wire.requests[-1].headers["x-a"] == "b"
