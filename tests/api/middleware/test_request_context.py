"""Per-request context: ids on log lines, metric labels, disconnecting clients."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import REGISTRY

from app.api.access import CheckedRoute, access
from app.api.routing import routes_of
from app.config import Settings
from app.logs import log
from app.main import create_app
from tests.fixtures.failing import bare_container

inner = APIRouter(prefix="/inner", route_class=CheckedRoute)


@inner.get("/{name}")
@access("public")
async def read(name: str) -> str:
    log.warning("thing.read", name=name)
    return name


@inner.get("/files/{path:path}")
@access("public")
async def read_file(path: str) -> str:
    raise RuntimeError(path)


@inner.post("/forms/{name}")
@access("public")
async def read_form(name: str, request: Request) -> int:
    async with request.form() as form:
        return len(form)


outer = APIRouter(prefix="/outer")
outer.include_router(inner, prefix="/between")


@pytest.fixture
def application() -> FastAPI:
    settings = Settings(_env_file=None)
    app = create_app(settings, container=bare_container(settings))
    app.include_router(outer)
    app.include_router(outer, prefix="/api")
    return app


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def answered(method: str, endpoint: str, status: int) -> float:
    labels = {"method": method, "endpoint": endpoint, "status": str(status)}
    return REGISTRY.get_sample_value("anisync_requests_total", labels) or 0


async def test_log_lines_carry_the_request_id(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.get("/outer/between/inner/a", headers={"X-Request-ID": "mine"})
    await client.get("/outer/between/inner/files/a", headers={"X-Request-ID": "next"})
    lines = [record.getMessage() for record in caplog.records if record.name == "anisync"]
    assert [line for line in lines if "thing.read" in line and "request_id='mine'" in line]
    crash = next(line for line in lines if "request.crashed" in line)
    assert "request_id='next'" in crash
    assert "Traceback" in crash
    assert not [line for line in lines if "request_id" not in line]


@pytest.mark.parametrize("prefix", ["/outer", "/api/outer"])
async def test_metrics_use_the_full_route_template(client: httpx.AsyncClient, prefix: str) -> None:
    template = f"{prefix}/between/inner/{{name}}"
    before = answered("GET", template, 200), answered("DELETE", template, 405)
    for name in "abc":
        await client.get(f"{prefix}/between/inner/{name}")
        await client.delete(f"{prefix}/between/inner/{name}/")
    assert (answered("GET", template, 200), answered("DELETE", template, 405)) == (
        before[0] + 3,
        before[1] + 3,
    )


async def test_path_convertors_are_not_in_metric_labels(client: httpx.AsyncClient) -> None:
    template = "/outer/between/inner/files/{path}"
    before = answered("GET", template, 500)
    await client.get("/outer/between/inner/files/a/b/c")
    assert answered("GET", template, 500) == before + 1


async def test_clients_cannot_create_metric_labels(client: httpx.AsyncClient) -> None:
    def labels() -> set[tuple[str, ...]]:
        return {
            (sample.labels["method"], sample.labels["endpoint"], sample.labels["status"])
            for metric in REGISTRY.collect()
            if metric.name == "anisync_requests"
            for sample in metric.samples
        }

    await client.get("/nowhere")
    await client.request("BREW", "/outer/between/inner/a")
    await client.request("BREW", "/nowhere")
    before = labels()
    for number in range(20):
        await client.get(f"/nowhere/{number}")
        await client.request(f"M{number}", f"/outer/between/inner/{number}")
        await client.request(f"M{number}", f"/{number}")
    assert labels() == before


async def test_every_route_has_its_own_path_in_metrics(application: FastAPI) -> None:
    assert {route.path_format for route in routes_of(application)} >= {
        "/health",
        "/outer/between/inner/{name}",
        "/api/outer/between/inner/{name}",
    }


async def test_a_failed_response_is_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await client.get("/outer/between/inner/files/a")
    assert [record for record in caplog.records if "request.failed" in record.getMessage()]


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_access_log_has_a_line_for_each_request_and_no_secrets(
    wanted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = Settings(_env_file=None, access_log=wanted)
    app = create_app(settings, container=bare_container(settings))
    app.include_router(outer)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://testserver"
    ) as client:
        await client.get("/outer/between/inner/a", headers={"X-Request-ID": "mine"})
        await client.get("/collections/shared/sesame")
        await client.get("/nowhere?token=sesame")
    lines = [line for line in map(str, caplog.messages) if "request.answered" in line]
    assert len(lines) == (3 if wanted else 0)
    assert "sesame" not in "".join(lines)
    if wanted:
        for part in ("request_id='mine'", "path='/outer/between/inner/a'", "status=200", "milliseconds="):
            assert part in lines[0]
        assert "path='/collections/shared/{token}'" in lines[1]
        assert "status=404" in lines[2]


@pytest.mark.parametrize("sent", [b"", b'--x\r\nContent-Disposition: form-data; name="a"\r\n'])
async def test_a_client_that_leaves_during_its_body_is_no_crash(
    application: FastAPI, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    messages = [{"type": "http.request", "body": sent, "more_body": True}, {"type": "http.disconnect"}]
    answers: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"content-length", b"1000")]
    path = "/outer/between/inner/forms/a"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("testserver", 80), "scheme": "http", "root_path": "", "state": {},
    }  # fmt: skip
    gone = answered("POST", "/outer/between/inner/forms/{name}", 499)
    await application(scope, receive, send)
    assert answers == []
    assert answered("POST", "/outer/between/inner/forms/{name}", 499) == gone + 1
    assert not [line for line in caplog.messages if "request.crashed" in line]
