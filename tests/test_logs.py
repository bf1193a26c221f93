"""Logs: one JSON object per line, with ids, without secrets."""

import json
import subprocess
from typing import Any

import pytest

from tests.fixtures.processes import python

SAY = """
import logging, sys, warnings
from app.logs import Outage, bound_contextvars, configure_logs, log

configure_logs(sys.argv[1])
with bound_contextvars(request_id="r-1", job_id=7):
    log.debug("too.fine")
    log.info("thing.done", title="銀河", access_token="abc", nested={"a": 1})
    logging.getLogger("uvicorn.error").warning("from the server: %s", "hello")
    try:
        raise ValueError("a bug")
    except ValueError:
        log.exception("thing.crashed")
logging.getLogger("httpx").info("chatter")
warnings.warn("a warning")
outage = Outage("database")
for _ in range(3):
    outage.begins(OSError())
outage.ends()
outage.ends()
"""


def said(level: str) -> list[dict[str, Any]]:
    done = subprocess.run(python(SAY, level), check=True, capture_output=True, text=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return said("INFO")


def test_every_line_is_a_json_object_with_time_and_level(lines: list[dict[str, Any]]) -> None:
    assert all(line["event"] and line["level"] and line["timestamp"].endswith("Z") for line in lines)


def test_ids_are_on_the_lines_of_the_application_and_of_libraries(lines: list[dict[str, Any]]) -> None:
    within = lines[:3]
    assert [line["event"] for line in within] == ["thing.done", "from the server: hello", "thing.crashed"]
    assert all((line["request_id"], line["job_id"]) == ("r-1", 7) for line in within)
    assert not any("request_id" in line for line in lines[3:])


def test_secrets_are_redacted(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["access_token"] == "[hidden]"
    assert lines[0]["title"] == "銀河"
    assert lines[0]["nested"] == {"a": 1}


def test_tracebacks_are_on_one_line(lines: list[dict[str, Any]]) -> None:
    assert "ValueError: a bug" in lines[2]["exception"]


def test_noisy_loggers_are_silenced_and_warnings_are_logged(lines: list[dict[str, Any]]) -> None:
    events = [line["event"] for line in lines]
    assert not any("chatter" in event or "too.fine" in event for event in events)
    assert any("a warning" in event for event in events)


def test_an_outage_is_logged_at_its_start_and_end(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines if "outage" in line["event"]] == [
        "outage.started",
        "outage.ended",
    ]


def test_the_level_is_a_setting() -> None:
    assert {line["level"] for line in said("ERROR")} == {"error"}
    assert "too.fine" in {line["event"] for line in said("DEBUG")}
