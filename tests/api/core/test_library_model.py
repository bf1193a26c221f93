"""The list compared with a model: devices, batches, undo and imports in any order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as run_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.tasks import performer
from tests.fixtures.accounts import make_account

LIST = "/users/me/list"
TITLES, TOTAL = 4, 12
STATUSES = ("watching", "completed", "plan_to_watch", "dropped", "on_hold")
MAL_WORDS = {"watching": "1", "dropped": "Dropped", "on_hold": "On-Hold"}

titles = st.integers(1, TITLES)
statuses = st.sampled_from(STATUSES)
fields = st.fixed_dictionaries(
    {},
    optional={
        "status": statuses,
        "score": st.none() | st.integers(0, 100).map(lambda score: score / 10),
        "progress": st.integers(0, TOTAL + 1),
        "notes": st.none() | st.text("ab%_\u3042", max_size=3),
        "tags": st.lists(st.sampled_from(["jazz", "space"]), unique=True),
        "is_private": st.booleans(),
    },
)


def imported(before: dict[str, Any] | None, status: str, progress: int) -> dict[str, Any]:
    """The expected entry after a row of a file, which never lowers progress or reopens a completed entry."""
    if before is None:
        return {**BLANK, "status": status, "progress": progress}
    is_earlier = before["status"] == "completed" and progress < before["progress"]
    is_earlier &= status != "dropped" or progress > 0
    status = before["status"] if is_earlier else status
    return {**before, "status": status, "progress": max(progress, before["progress"])}


verbs = st.sampled_from(["add", "update", "delete"])
batches = st.lists(st.tuples(verbs, titles, statuses), min_size=1, max_size=5)


@dataclass(frozen=True)
class World:
    """One application for all examples; every example has a user of its own."""

    loop: asyncio.AbstractEventLoop
    container: Container
    client: httpx.AsyncClient
    stack: AsyncExitStack

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)


class ListMachine(RuleBasedStateMachine):
    """``model`` has the expected state of each entry, ``past`` the states before each change of a title."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.user = self.world.wait(make_account(self.world.container))
        self.model: dict[int, dict[str, Any]] = {}
        self.past: dict[int, list[dict[str, Any] | None]] = {}
        self.device: dict[int, str] = {}

    def ask(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        headers = {**self.user.headers, **keywords.pop("headers", {})}
        answer: httpx.Response = self.world.wait(
            self.world.client.request(method, path, headers=headers, **keywords)
        )
        assert answer.status_code < 500, answer.text
        return answer

    def note(self, title: int, after: dict[str, Any] | None) -> None:
        before = self.model.get(title)
        if before != after:
            self.past.setdefault(title, []).append(before)
        if after is None:
            self.model.pop(title, None)
        else:
            self.model[title] = after

    @rule(title=titles, status=statuses, sent=fields)
    def add(self, title: int, status: str, sent: dict[str, Any]) -> None:
        body = {"anime_id": title, **sent, "status": status}
        answer = self.ask("POST", LIST, json=body)
        if title in self.model:
            assert answer.status_code == 409
        elif above(sent):
            assert answer.json()["details"]["max"] == TOTAL
        else:
            assert answer.status_code == 201, answer.text
            self.note(title, follows(None, {**sent, "status": status}, answer.json()))

    @rule(title=titles, sent=fields)
    def patch(self, title: int, sent: dict[str, Any]) -> None:
        answer = self.ask("PATCH", f"{LIST}/{title}", json=sent)
        if not sent:
            assert answer.status_code == 422
        elif title not in self.model:
            assert answer.status_code == 404
        elif above(sent):
            assert answer.json()["details"]["max"] == TOTAL
        else:
            assert answer.status_code == 200, answer.text
            self.note(title, follows(self.model[title], sent, answer.json()))

    @rule(title=titles, steps=st.integers(-3, 3))
    def step(self, title: int, steps: int) -> None:
        answer = self.ask("PATCH", f"{LIST}/{title}", json={"progress_delta": steps})
        if title not in self.model:
            assert answer.status_code == 404
            return
        wanted = max(0, self.model[title]["progress"] + steps)
        if wanted > TOTAL:
            assert answer.status_code == 422
            return
        sent = {"progress": wanted} if steps else {}
        self.note(title, follows(self.model[title], sent, answer.json()))

    @rule(title=titles)
    def delete(self, title: int) -> None:
        answer = self.ask("DELETE", f"{LIST}/{title}")
        assert answer.status_code == (204 if title in self.model else 404)
        self.note(title, None)

    @rule(operations=batches)
    def batch(self, operations: list[tuple[str, int, str]]) -> None:
        sent = [
            {"op": verb, "anime_id": title, **({} if verb == "delete" else {"status": status})}
            for verb, title, status in operations
        ]
        results = self.ask("POST", f"{LIST}/batch", json={"operations": sent}).json()["results"]
        for (verb, title, status), result in zip(operations, results, strict=True):
            held = title in self.model
            wanted = {"add": 409 if held else 201, "update": 200, "delete": 204}[verb]
            assert result["status"] == (wanted if held or verb == "add" else 404)
            if result["status"] == 204:
                self.note(title, None)
            elif result["status"] < 400:
                self.note(title, follows(self.model.get(title), {"status": status}, result["entry"]))

    @rule(title=titles)
    def undo(self, title: int) -> None:
        answer = self.ask("POST", f"{LIST}/{title}/undo")
        if not self.past.get(title):
            assert answer.status_code == 404
            return
        before = self.past[title].pop()
        assert answer.status_code == 200, answer.text
        if before is None:
            assert answer.json() is None
            self.model.pop(title, None)
        else:
            assert essence(answer.json()) == essence(before)
            self.model[title] = before

    @rule(title=titles, status=st.sampled_from(sorted(MAL_WORDS)), progress=st.integers(0, TOTAL))
    def import_file(self, title: int, status: str, progress: int) -> None:
        row = (
            f"<anime><series_animedb_id>{title}</series_animedb_id><my_status>{MAL_WORDS[status]}</my_status>"
            f"<my_watched_episodes>{progress}</my_watched_episodes></anime>"
        )
        files = {"file": ("list.xml", f"<myanimelist>{row}</myanimelist>".encode())}
        job = self.ask("POST", "/users/me/import", files=files).json()["job_id"]
        self.world.wait(self.world.container.jobs.run(job, performer(self.world.container)))
        [reported] = self.ask("GET", f"/users/me/import/{job}/report").json()["rows"]
        before = self.model.get(title)
        after = imported(before, status, progress)
        action = "added" if before is None else "updated" if before != after else "unchanged"
        assert reported["action"] == action
        self.note(title, after)

    @rule(title=titles)
    def read_on_the_other_device(self, title: int) -> None:
        answer = self.ask("GET", f"{LIST}/{title}")
        assert answer.status_code == (200 if title in self.model else 404)
        self.device.pop(title, None)
        if title in self.model:
            self.device[title] = answer.headers["ETag"]

    @precondition(lambda self: self.device)
    @rule(choice=st.integers(0, 9), score=st.integers(0, 100))
    def edit_on_the_other_device(self, choice: int, score: int) -> None:
        title, tag = sorted(self.device.items())[choice % len(self.device)]
        now = self.ask("GET", f"{LIST}/{title}").headers.get("ETag")
        sent = {"score": score / 10}
        answer = self.ask("PATCH", f"{LIST}/{title}", json=sent, headers={"If-Match": tag})
        assert answer.status_code == (404 if now is None else 200 if now == tag else 412)
        if answer.status_code == 200:
            self.note(title, follows(self.model[title], sent, answer.json()))

    @rule()
    def catch_up(self) -> None:
        """A device that applies the changes since its last request has the whole list."""
        query = {"updated_since": "2020-01-01T00:00:00Z", "limit": 100}
        changed = self.ask("GET", LIST, params=query).json()
        live = {entry["anime_id"] for entry in changed if not entry.get("deleted")}
        gone = {entry["anime_id"] for entry in changed if entry.get("deleted")}
        assert live == set(self.model)
        assert gone == {title for title in self.past if title not in self.model}

    @invariant()
    def the_list_is_the_model(self) -> None:
        answer = self.ask("GET", LIST, params={"limit": 100})
        listed = {entry["anime_id"]: essence(entry) for entry in answer.json()}
        assert answer.headers["X-Total-Count"] == str(len(self.model))
        assert listed == {title: essence(entry) for title, entry in self.model.items()}


BLANK: dict[str, Any] = {
    "status": "watching", "score": None, "progress": 0, "notes": None, "tags": [], "is_private": False,
    "is_rewatching": False, "rewatch_count": 0,
}  # fmt: skip


def above(sent: dict[str, Any]) -> bool:
    return bool(sent.get("progress", 0) > TOTAL)


def essence(entry: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if entry is None else {name: entry[name] for name in BLANK}


def expected(before: dict[str, Any] | None, sent: dict[str, Any]) -> dict[str, Any]:
    """The rules, implemented independently; all titles here are finished and have ``TOTAL`` episodes."""
    after = {**(before or BLANK), **sent}
    was = 0 if before is None else before["progress"]
    if "status" not in sent:
        if after["progress"] > 0 and was == 0 and after["status"] in ("plan_to_watch", "on_hold"):
            after["status"] = "watching"
        if after["progress"] == TOTAL and after["progress"] > was:
            after["status"] = "completed"
    newly = after["status"] == "completed" and (before is None or before["status"] != "completed")
    if newly and "progress" not in sent:
        after["progress"] = TOTAL
    return after


def follows(before: dict[str, Any] | None, sent: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    after = expected(before, sent)
    assert essence(shown) == essence(after)
    return after


def check(configuration: Settings, *, examples: int, steps: int) -> None:
    """Run the state machine on one application and one database."""
    with asyncio.Runner() as runner:
        world = runner.run(_open(configuration, runner.get_loop()))

        class Machine(ListMachine):
            pass

        Machine.world = world
        try:
            run_state_machine_as_test(
                Machine,
                settings=run_settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(world.stack.aclose())


async def _open(configuration: Settings, loop: asyncio.AbstractEventLoop) -> World:
    stack = AsyncExitStack()
    container = await stack.enter_async_context(build(configuration))
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into anime (mal_id, title, episodes, status) "
                "select n, 'T' || n, :total, 'finished' from generate_series(1, :count) n order by n"
            ),
            {"total": TOTAL, "count": TITLES},
        )
    transport = httpx.ASGITransport(app=create_app(configuration, container=container))
    client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
    return World(loop, container, await stack.enter_async_context(client), stack)


def test_the_list_matches_its_model(settings: Settings) -> None:
    check(settings, examples=10, steps=20)


@pytest.mark.soak
def test_the_list_matches_its_model_in_long_runs(settings: Settings) -> None:
    check(settings, examples=200, steps=50)
