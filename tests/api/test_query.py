"""Query parameters: unknown ones and repeated single values are rejected."""

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from app.api.access import CheckedRoute, access
from app.api.query import FastQuery, KnownParameters
from tests.fixtures.accounts import SignedIn
from tests.fixtures.routes import ROUTES


class _Model(BaseModel):
    limit: int = 20
    genres: Annotated[list[str], Field(alias="genres[]", default_factory=list)]


class _Fast(FastQuery):
    words: Annotated[list[str] | None, Field(alias="words[]")] = None
    year: int | None = None


def _of_model() -> KnownParameters:
    router = APIRouter(route_class=CheckedRoute)

    @router.get("/things")
    @access("public")
    async def things(query: Annotated[_Model, Query()]) -> None: ...

    [route] = router.routes
    assert isinstance(route, CheckedRoute)
    return KnownParameters.of(route.dependant, _Fast.parameters())


@pytest.mark.parametrize(
    "sent",
    ["", "limit=3", "limit=", "genres[]=a&genres[]=b", "genres%5B%5D=a", "words[]=x&words%5b%5d=y&year=1"],
)
def test_declared_parameters_are_accepted(sent: str) -> None:
    _of_model().check(sent.encode())


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ("limti=3", ["limti"]),
        ("limit=3&limit=4", ["limit"]),
        ("limit=3&%6cimit=4", ["limit"]),
        ("genres=a", ["genres"]),
        ("a=1&b=2&year=3", ["a", "b"]),
        ("=3", [""]),
        ("&".join(f"p{number}=1" for number in range(500)), [f"p{number}" for number in range(20)]),
    ],
)
def test_unknown_parameters_are_named(sent: str, names: list[str]) -> None:
    with pytest.raises(RequestValidationError) as raised:
        _of_model().check(sent.encode())
    assert [fault["loc"] for fault in raised.value.errors()] == [("query", name) for name in names]


async def test_every_route_refuses_unknown_parameters(client: httpx.AsyncClient, admin: SignedIn) -> None:
    for route in ROUTES:
        if route.method == "WS" or route.access == "service":
            continue
        answer = await client.request(route.method, f"{route.url()}?xyzzy=1", headers=admin.headers)
        is_anilibria = route.path.startswith("/api/anilibria/")
        assert answer.status_code == (400 if is_anilibria else 422), route.name
        failure = answer.json()["error"] if is_anilibria else answer.json()
        assert set(failure["details"]["fields"]) == {"xyzzy"}, route.name


@pytest.mark.parametrize(
    ("request_line", "nearest"),
    [
        ("POST /users/me/import?dryrun=true", "dry_run"),
        ("GET /users/me/export?fromat=csv", "format"),
        ("GET /watch/continue?limits=5", "limit"),
        ("GET /views?offest=5", "offset"),
        ("GET /collections?pge=2", "page"),
        ("GET /favorites?limt=2", "limit"),
        ("GET /jobs?stauts=failed", "status"),
        ("GET /users/me/list?statuss=watching", "status"),
        ("GET /api/library/items?typ=anime", "type"),
        ("GET /anime?genr=Action", "genre"),
        ("GET /users?ofset=1", "offset"),
        ("GET /anime/jikan/top?pagee=1", "page"),
    ],
)
async def test_the_closest_parameter_is_suggested(
    client: httpx.AsyncClient, admin: SignedIn, request_line: str, nearest: str
) -> None:
    method, target = request_line.split()
    answer = await client.request(method, target, headers=admin.headers)
    assert answer.status_code == 422
    assert f"did you mean {nearest}?" in answer.json()["message"]


async def test_a_single_value_is_given_once(client: httpx.AsyncClient, admin: SignedIn) -> None:
    for target in (
        "/anime?year=1998&year=1999",
        "/users/me/list?limit=1&limit=2",
        "/genres?kind=theme&kind=genre",
    ):
        answer = await client.get(target, headers=admin.headers)
        assert answer.status_code == 422, target
        assert "once" in answer.json()["message"]
    assert (await client.get("/anime?genre=Action&genre=Drama&genre[]=Space")).status_code == 200


@pytest.mark.parametrize(
    "target", ["/anime?q=", "/search/anime?q=", "/api/library/items?q=", "/anime?genre="]
)
async def test_text_limits_are_in_characters(client: httpx.AsyncClient, admin: SignedIn, target: str) -> None:
    answer = await client.get(target + "x" * 1001, headers=admin.headers)
    assert answer.status_code == 422
    assert "characters" in answer.text
    assert "items" not in answer.text
