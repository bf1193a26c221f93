"""The broker transports job ids through any state of the server."""

import asyncio
import time

import pytest

from app.broker import JobSender
from app.schemas.jobs import JobClass
from app.tasks.receiving import JobBroker
from app.utils.redis.client import REDIS_FAULTS


async def take(broker: JobBroker, count: int) -> list[int]:
    messages = broker.listen()
    try:
        return [broker.formatter.loads(await anext(messages)).args[0] for _ in range(count)]
    finally:
        await messages.aclose()


async def test_messages_sent_before_a_listener_arrive_in_order(redis_url: str) -> None:
    sender, receiver = JobSender(redis_url), JobBroker(redis_url)
    for job_id in (1, 2, 3):
        await sender.send(job_id, "order")
    assert (await sender.depths())["order"] == 3
    assert await take(receiver, 3) == [1, 2, 3]
    assert set((await sender.depths()).values()) == {0}
    await sender.close()
    await receiver.shutdown()


async def test_urgent_classes_go_first_and_full_ones_wait(redis_url: str) -> None:
    broker = JobBroker(redis_url)
    classes: list[JobClass] = ["upkeep", "import", "order", "push", "mail", "upkeep"]
    for job_id, job_class in enumerate(classes):
        await broker.sender.send(job_id, job_class)
    broker.has_room = lambda: ["mail", "order", "upkeep"]
    assert await take(broker, 4) == [4, 2, 0, 5]
    assert await broker.sender.depths() == {"mail": 0, "push": 1, "order": 0, "import": 1, "upkeep": 0}
    broker.has_room = list
    waiting = asyncio.create_task(take(broker, 1))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    broker.has_room = lambda: ["import"]
    assert await asyncio.wait_for(waiting, 5) == [1]
    await broker.shutdown()


async def test_each_message_reaches_exactly_one_listener(redis_url: str) -> None:
    brokers = [JobBroker(redis_url) for _ in range(3)]
    got: list[int] = []

    async def listen(broker: JobBroker) -> None:
        async for message in broker.listen():
            got.append(broker.formatter.loads(message).args[0])

    listeners = [asyncio.create_task(listen(broker)) for broker in brokers]
    for job_id in range(60):
        await brokers[0].sender.send(job_id, "order")
    async with asyncio.timeout(10):
        while len(got) < 60:  # noqa: ASYNC110  # counted by three tasks
            await asyncio.sleep(0.01)
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    assert sorted(got) == list(range(60))
    for broker in brokers:
        await broker.shutdown()


async def test_a_listener_survives_idle_periods_beyond_socket_timeouts(redis_url: str) -> None:
    """redis-py's own timeout is 5 s, and ours 0.25 s; the blocking pop must last longer than both."""
    broker = JobBroker(redis_url)
    waiting = asyncio.create_task(take(broker, 1))
    await asyncio.sleep(6)
    assert not waiting.done()
    await broker.sender.send(7, "order")
    assert await asyncio.wait_for(waiting, 5) == [7]
    await broker.shutdown()


async def test_a_listener_can_be_cancelled_at_any_time(redis_url: str) -> None:
    """On Python 3.11, redis-py ignores a cancellation while it connects or sends."""
    broker = JobBroker(redis_url)

    async def cancelled_after(seconds: float) -> None:
        listener = asyncio.create_task(take(broker, 1))
        await asyncio.sleep(seconds)
        listener.cancel()
        done, _ = await asyncio.wait({listener}, timeout=15)
        assert done
        await asyncio.gather(listener, return_exceptions=True)

    for _ in range(3):
        await asyncio.gather(*(cancelled_after(step / 5000) for step in range(40)))
    await broker.shutdown()


async def test_sending_fails_fast_without_a_server() -> None:
    sender = JobSender("redis://127.0.0.1:9/0")
    started = time.monotonic()
    for _ in range(50):
        with pytest.raises(REDIS_FAULTS):
            await sender.send(1, "order")
        with pytest.raises(REDIS_FAULTS):
            await sender.depths()
    assert time.monotonic() - started < 50 * 0.1
    await sender.close()
