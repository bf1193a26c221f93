"""The OpenAPI document, completed: who may ask, every failure in the words of its surface, headers, tags."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app import errors
from app.api.access import Access, route_table
from app.api.openapi.failures import FAILURES, UNDOCUMENTED
from app.api.surface import Failure, Surface
from app.api.surfaces import surface_of
from app.errors import AppError

Json = dict[str, Any]

_SIGNED_IN = "OAuth2PasswordBearer"
_SERVICE = "ServiceToken"
_UNUSED = ("ValidationError", "HTTPValidationError")  # FastAPI's own, which no route answers with
_EXAMPLE_ID = "0b9cf1f0a4f24a6d9a3dbd1f6b3f9a51"
_EXAMPLE_TIME = "2026-11-21T09:00:00Z"

TAGS = {
    "operations": "Whether the service lives and works, and its figures.",
    "auth": "Registration, sign-in, token refresh, sign-out; sessions, passwords and API tokens.",
    "users": "Accounts: one's own, those of others, and all of them for operators.",
    "catalogue": "Titles: pages with filters, single titles, search, genres.",
    "jikan": "Jikan's own answers, as they came.",
    "sync": "Bringing the catalogue in step with MyAnimeList, as jobs.",
    "jobs": "Background jobs and how far they are.",
    "list": "A person's anime list.",
    "favorites": "A person's favourites.",
    "watching": "Playback progress and what was watched.",
    "collections": "Lists of titles that people make, and may share.",
    "imports": "Lists that come from elsewhere.",
    "exports": "A list to take elsewhere.",
    "releases": "Releases of dubbing sources, with episodes.",
    "AniLibria": "AniLibria's titles with their episodes, in the words of its own clients.",
    "hianime": "HiAnime's titles and episodes, from an aniwatch-api that the operator hosts.",
    "internal": "For other services of the operator, with `INTERNAL_SERVICE_TOKEN` as Bearer.",
    "tracker: auth": "Accounts in the words of the tracker's clients.",
    "tracker: sources": "Titles to add: AniList, MangaDex, and the catalogue while they are away.",
    "tracker: anilist": "An account at AniList: connecting it, imports, the two-way sync, its conflicts.",
    "tracker: library": "The tracker page's library: anime, manga and titles of one's own.",
}

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_DETAILS: Json = {"type": ["object", "null"], "additionalProperties": True}
_CORE: Json = {
    "type": "object",
    "required": ["code", "message", "details", "request_id"],
    "properties": {"code": _TEXT, "message": _TEXT, "details": _DETAILS, "request_id": _TEXT},
}
_SCHEMAS: dict[str, Json] = {
    "Failure": _CORE,
    "TrackerFailure": {
        **_CORE,
        "required": [*_CORE["required"], "detail"],
        "properties": {**_CORE["properties"], "detail": _TEXT},
    },
    "AniLibriaFailure": {
        "type": "object",
        "required": ["success", "error", "timestamp", "request_id"],
        "properties": {
            "success": {"const": False},
            "error": {
                "type": "object",
                "required": ["code", "message", "details"],
                "properties": {"code": _TEXT, "message": _TEXT, "details": _DETAILS},
            },
            "timestamp": {"type": "string", "format": "date-time"},
            "request_id": _TEXT,
        },
    },
}
_SCHEMA_OF = {"tracker": "TrackerFailure", "anilibria": "AniLibriaFailure"}

_HEADERS: dict[str, Json] = {
    "X-Request-ID": {
        "description": "The id of this request, in our log too.",
        "required": True,
        "schema": _TEXT,
    },
    "X-Total-Count": {"description": "How many there are on all pages.", "required": True, "schema": _COUNT},
    "Link": {"description": "`first`, `prev`, `next` and `last` page.", "required": True, "schema": _TEXT},
    "ETag": {"description": "The version of this answer.", "required": True, "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": _COUNT},
    "WWW-Authenticate": {"description": "How to sign in.", "required": True, "schema": _TEXT},
    "RateLimit-Limit": {"description": "Requests of one window.", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "Requests that are left of it.", "schema": _COUNT},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": _COUNT},
}
_OF_STATUS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}
_OF_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of what the client has.",
    "schema": _TEXT,
}


def operation_id(route: APIRoute) -> str:
    """The module of the route below its surface, and its function: `anime_list_anime`."""
    module = route.endpoint.__module__.removeprefix("app.api.").removeprefix("core.")
    return f"{module.replace('.', '_')}_{route.name}"


def describe(app: FastAPI) -> None:
    """Complete the document of ``app`` whenever FastAPI has made it anew."""
    plain = app.openapi
    completed: Json | None = None

    def openapi() -> Json:
        nonlocal completed
        document = plain()
        if document is not completed:
            _complete(document, {route.name: route.access for route in route_table(app)})
            completed = document
        return document

    app.openapi_tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _complete(document: Json, access: Mapping[str, Access]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(_SCHEMAS)
    for name in _UNUSED:
        schemas.pop(name, None)
    for model in _models(BaseModel):
        _restore_example(model, schemas)
    components["headers"] = _HEADERS
    components.setdefault("securitySchemes", {})[_SERVICE] = {
        "type": "http",
        "scheme": "bearer",
        "description": "`INTERNAL_SERVICE_TOKEN`.",
    }
    used = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _Operation(method.upper(), path, operation, access[f"{method.upper()} {path}"]).complete()
            used |= set(operation["tags"])
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in used]


def _models(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        yield model
        yield from _models(model)


def _restore_example(model: type[BaseModel], schemas: Json) -> None:
    """Put back the nulls of an example, which FastAPI takes out wherever they are."""
    extra = model.model_config.get("json_schema_extra")
    if not isinstance(extra, dict) or "example" not in extra:
        return
    whole = f"{model.__module__}.{model.__name__}".replace(".", "__")
    for name in {model.__name__, whole} & set(schemas):
        if schemas[name].get("example") == _without_nulls(extra["example"]):
            schemas[name]["example"] = extra["example"]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _drop_parameter(operation: Json, name: str) -> None:
    kept = [one for one in operation.pop("parameters", []) if one["name"].lower() != name]
    if kept:
        operation["parameters"] = kept


def _drop_undocumented(operation: Json) -> None:
    shown = [one for one in operation.pop("parameters", []) if UNDOCUMENTED not in one.get("schema", {})]
    if shown:
        operation["parameters"] = shown


class _Operation:
    def __init__(self, method: str, path: str, operation: Json, access: Access) -> None:
        self._path = path
        self._operation = operation
        self._responses: dict[str, Json] = operation["responses"]
        self._surface = surface_of(path)
        self._access = access
        if method != "POST":  # the others share a router with POSTs, and do not look at it
            _drop_parameter(operation, "idempotency-key")
        _drop_undocumented(operation)
        self._parameters = {parameter["name"].lower() for parameter in operation.get("parameters", [])}

    def complete(self) -> None:
        if self._access == "service":
            self._operation["security"] = [{_SERVICE: []}]
        elif self._access != "public":
            self._operation["security"] = [{_SIGNED_IN: []}]
        elif self._operation.get("security") == [{_SIGNED_IN: []}]:
            self._operation["security"] = [{_SIGNED_IN: []}, {}]
        told = self._told()
        self._responses.pop("422", None)
        for error in (*told, *self._usual()):
            self._add(error)
        if "304" in self._responses:
            self._operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        for status, response in self._responses.items():
            headers = response.setdefault("headers", {})
            for name in self._headers(status):
                headers[name] = {"$ref": f"#/components/headers/{name}"}

    def _told(self) -> list[type[AppError]]:
        """The failures that the route named itself, taken out of its responses."""
        named = [name for response in self._responses.values() for name in response.pop(FAILURES, [])]
        told: list[type[AppError]] = [getattr(errors, name) for name in named]
        for error in told:
            self._responses.pop(str(error.status), None)
        return told

    def _usual(self) -> Iterator[type[AppError]]:
        """The failures that follow from what kind of route it is."""
        if "security" in self._operation:
            yield errors.Unauthenticated
        if self._access not in {"public", "service"}:
            yield errors.Forbidden
        if "{" in self._path:
            yield errors.NotFound
        if "if-match" in self._parameters:
            yield errors.PreconditionFailed
        if "idempotency-key" in self._parameters:
            yield errors.Conflict
        yield from self._of_input()
        if self._path.startswith(("/auth/", "/api/auth/")):
            yield errors.RateLimited
        yield AppError
        if self._path not in {"/health", "/health/live", "/metrics"}:
            yield errors.ServiceUnavailable

    def _of_input(self) -> Iterator[type[AppError]]:
        body = self._operation.get("requestBody")
        if body:
            yield errors.PayloadTooLarge
        if body and "application/json" in body["content"]:
            yield errors.UnsupportedMedia
        if body or self._parameters:
            yield errors.Invalid

    def _add(self, error: type[AppError]) -> None:
        status = str(self._surface.invalid_status if error is errors.Invalid else error.status)
        response = self._responses.setdefault(status, {"description": error.default_message})
        content = response.setdefault("content", {}).setdefault("application/json", {})
        schema = _SCHEMA_OF.get(self._surface.name, "Failure")
        content.setdefault("schema", {"$ref": f"#/components/schemas/{schema}"})
        if content["schema"] == {"$ref": f"#/components/schemas/{schema}"}:
            content.setdefault("examples", {})[error.code] = {"value": _example(error, self._surface)}

    def _headers(self, status: str) -> Iterator[str]:
        yield "X-Request-ID"
        yield from _OF_STATUS.get(status, ())
        if "429" in self._responses and status != "500":
            yield from _OF_LIMITS
        if status == "304" or (status == "200" and "304" in self._responses):
            yield "ETag"
        if status == "200" and {"limit", "offset"} <= self._parameters:
            yield from ("X-Total-Count", "Link")


def _example(error: type[AppError], surface: Surface) -> Json:
    """What the surface's own renderer makes of the failure."""
    details = {"fields": {"limit": ["Input should be a valid integer."]}} if error is errors.Invalid else None
    failure = Failure(error.status, error.code, error.default_message, details, {}, _EXAMPLE_ID)
    body = surface.body(failure)
    return {**body, "timestamp": _EXAMPLE_TIME} if "timestamp" in body else body
