"""Endpoints that are called directly answer like those that FastAPI calls."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from app.api.access import CheckedRoute, access
from app.api.direct import DirectCall
from app.api.routing import RememberedRoutes
from app.errors import Conflict

CALLED_BY_FASTAPI = "fastapi_inner_astack"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    score: float | None = None
    tags: list[str] = []


async def _count(request: Request) -> int:
    counted: int = getattr(request.state, "counted", 0) + 1
    request.state.counted = counted
    return counted


Counted = Annotated[int, Depends(_count)]


async def _doubled(counted: Counted, if_match: Annotated[str | None, Header()] = None) -> list[Any]:
    return [counted, if_match]


@access("public")
async def edit(
    number: Annotated[int, Path(ge=1)],
    body: Body,
    request: Request,
    counted: Counted,
    doubled: Annotated[list[Any], Depends(_doubled)],
) -> Response:
    if body.score == 9:
        raise Conflict
    shown = f"{number} {body.model_dump()} {sorted(body.model_fields_set)} {counted} {doubled}"
    way = "FastAPI" if CALLED_BY_FASTAPI in request.scope else "direct"
    return Response(shown, 201, {"X-Way": way})


def application(route_class: type[Any]) -> FastAPI:
    router = APIRouter(prefix="/things", route_class=route_class)
    router.patch("/{number}")(edit)
    outer = APIRouter()
    outer.include_router(router)
    app = FastAPI()
    app.include_router(outer)
    app.state.container = None
    app.router.middleware_stack = RememberedRoutes(app.router)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(Conflict)
    async def tell(_: Request, error: Exception) -> Response:
        told = error.errors() if isinstance(error, RequestValidationError) else type(error).__name__
        return Response(repr(told), 422)

    return app


def asker(route_class: type[Any]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application(route_class))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


JSON = {"content-type": "application/json"}
SPELLED = {"content-type": "Application/JSON; charset=utf-8"}
ASKED: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("direct", "/things/1", b'{"score": 1, "tags": ["a"]}', JSON),
    ("direct", "/things/2", b"{}", {**JSON, "if-match": '"3"'}),
    ("direct", "/things/2", '{"tags": ["ё", "\\ud83d\\ude00"]}'.encode(), SPELLED),
    ("", "/things/2", b'{"score": 9}', JSON),
    ("FastAPI", "/things/2", b"{}", {"content-type": "application/problem+json"}),
    ("", "/things/2", b"{}", {"content-type": "text/plain"}),
    ("", "/things/2", b"{}", {}),
    ("", "/things/2", b"", JSON),
    ("", "/things/2", b"null", JSON),
    ("", "/things/2", b"[1]", JSON),
    ("", "/things/2", b'{"score": "x"}', JSON),
    ("", "/things/2", b'{"more": 1}', JSON),
    ("", "/things/2", b'{"score": ', JSON),
    ("", "/things/2", b"\xff", JSON),
    ("", "/things/2", b"[" * 100_000, JSON),
    ("", "/things/0", b"{}", JSON),
    ("", "/things/x", b"{}", JSON),
    ("", f"/things/{'9' * 30}x", b"{}", JSON),
]  # fmt: skip


@pytest.mark.parametrize(("way", "path", "body", "headers"), ASKED)
async def test_answers_are_those_of_fastapi(
    way: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    async with asker(CheckedRoute) as ours, asker(APIRoute) as plain:
        expected = await plain.patch(path, content=body, headers=headers)
        for _ in range(2):  # the second one goes to the remembered route
            answer = await ours.patch(path, content=body, headers=headers)
            assert (answer.status_code, answer.content) == (expected.status_code, expected.content)
            assert answer.headers.get("X-Way", "") == way
        assert way == "" or expected.headers["X-Way"] == "FastAPI"


async def _with_query(limit: Annotated[int, Query()] = 1) -> Response:
    return Response(str(limit))


async def _with_result(number: int) -> dict[str, int]:
    return {"number": number}


def _in_a_thread(number: int) -> Response:
    return Response(str(number))


@pytest.mark.parametrize("endpoint", [_with_query, _with_result, _in_a_thread])
def test_others_are_left_to_fastapi(endpoint: Any) -> None:
    assert DirectCall.of(APIRoute("/{number}", endpoint), []) is None
