"""Values that cannot be stored, sent to every route, cause no server error and no invalid text."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.accounts import SignedIn
from tests.fixtures.routes import ROUTES, Route

VALUES: list[Any] = [
    "\x00", "\ud800", "\u202e", "", " ", "x" * 70_000, "7", "NaN", "' or 1=1 --", "%", "../..", "${jndi:x}",
    True, False, None, 0, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1.5, 1e308, [], {}, [[]], {"$gt": ""},
    ["\x00"], [None], {"__proto__": {}},
]  # fmt: skip
TEXTS = [
    "%00",
    "%ED%A0%80",
    "%FF",
    "9" * 500,
    "-1",
    "1e400",
    "NaN",
    "x" * 5000,
    "%E2%80%AE",
    "..%2F..",
    "%20",
]
_ENDS_IT_ALL = {"POST /auth/logout-all", "DELETE /users/me", "POST /auth/logout"}
_ASKED = [route for route in ROUTES if route.name not in _ENDS_IT_ALL and route.access != "service"]


def bodies(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[Any]:
    """One value at a time, in each field and in place of the whole body."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = next((kind["schema"] for kind in content.values()), None)
    if schema is None:
        return
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else _at(document, schema["$ref"])
    names = list(schema.get("properties", {}))
    for value in VALUES:
        yield value
        for name in names:
            yield {name: value}
        yield dict.fromkeys(names, value)


def _at(document: dict[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


async def _check(answer: httpx.Response, what: object) -> None:
    if answer.status_code >= 500:
        failure = answer.json()
        code = failure.get("error", failure)["code"]  # AniLibria's clients have it one level deeper
        assert code.startswith("UPSTREAM"), (what, answer.text)
    answer.content.decode("utf-8")


@pytest.mark.parametrize("share", range(4))
async def test_no_value_causes_a_server_error(client: httpx.AsyncClient, admin: SignedIn, share: int) -> None:
    document = (await client.get("/openapi.json")).json()
    headers = {**admin.headers, "Content-Type": "application/json"}
    for route in _ASKED[share::4]:
        operation = document["paths"][route.path][route.method.lower()]
        for body in bodies(document, operation):
            text = json.dumps(body, allow_nan=True)
            await _check(await client.request(route.method, route.url(), content=text, headers=headers), body)
        for url in _urls(route, operation):
            await _check(await client.request(route.method, url, headers=headers, content="{}"), url)


def _urls(route: Route, operation: dict[str, Any]) -> Iterator[str]:
    for text in TEXTS:
        for name in route.parameters:
            yield route.url({name: text})
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                yield f"{route.url()}?{parameter['name']}={text}"
