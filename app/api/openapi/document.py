"""Completes the OpenAPI document: permissions, failures in the format of each surface, headers, tags."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import errors
from app.api.access import Access, route_table
from app.api.openapi.conventions import PERMISSIONS, TAGS, TEXT
from app.api.openapi.failures import FAILURES, UNDOCUMENTED
from app.api.openapi.glossary import description_of
from app.api.openapi.schemas import (
    add_partial_operations,
    describe_properties,
    describe_schemas,
    drop_unused,
    rename,
    restore_examples,
)
from app.api.surface import Failure, Surface
from app.api.surfaces import surface_of
from app.config import Settings
from app.errors import AppError, FieldCode, FieldError, field_details
from app.schemas.core.users import ProfilePatch
from app.schemas.jobs import JOBS
from app.utils.text.cleaning import INT_MAX

Json = dict[str, Any]

_SIGNED_IN = "OAuth2PasswordBearer"
_SERVICE = "ServiceToken"
_BEARER = "BearerToken"
# The total is not known before all candidates are ranked.
_UNCOUNTED = frozenset({"/users/me/recommendations", "/users/me/recommendations/"})
_EXAMPLE_ID = "0b9cf1f0a4f24a6d9a3dbd1f6b3f9a51"
_EXAMPLE_TIME = "2026-11-21T09:00:00Z"

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_FIELD_ERROR: Json = {
    "type": "object",
    "required": ["field", "code", "params", "message"],
    "properties": {
        "field": _TEXT,
        "code": {
            "type": "string",
            "enum": list(get_args(FieldCode)),
            "description": "The violated rule.",
        },
        "params": {"type": "object", "additionalProperties": True},
        "message": _TEXT,
    },
}
_DETAILS: Json = {
    "type": ["object", "null"],
    "additionalProperties": True,
    "properties": {
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": _TEXT},
            "description": "The messages by field.",
        },
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
    },
}


def _codes(parent: type[AppError] = AppError) -> set[str]:
    return {parent.code}.union(*(_codes(child) for child in parent.__subclasses__()))


_CODE: Json = {"type": "string", "enum": sorted({"METHOD_NOT_ALLOWED", *_codes()})}
_CORE: Json = {
    "type": "object",
    "required": ["code", "message", "details", "request_id"],
    "properties": {"code": _CODE, "message": _TEXT, "details": _DETAILS, "request_id": _TEXT},
}
_SCHEMAS: dict[str, Json] = {
    "FieldError": {**_FIELD_ERROR, "description": "A validation error of one field."},
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
# Enumerations collected from the whole program, which schemas cannot import.
_ENUMS: tuple[tuple[str, str, Json], ...] = (
    ("BatchErrorOut", "code", _CODE),
    ("JobOut", "kind", {"enum": sorted(JOBS)}),
)
_SCHEMA_OF = {"tracker": "TrackerFailure", "anilibria": "AniLibriaFailure"}

_HEADERS: dict[str, Json] = {
    "X-Request-ID": {
        "description": "Id of this request, also in the server's log.",
        "required": True,
        "schema": _TEXT,
    },
    "X-Total-Count": {
        "description": "Total number of objects on all pages.",
        "required": True,
        "schema": _COUNT,
    },
    "Link": {
        "description": "URLs of the `first`, `prev`, `next` and `last` page.",
        "required": True,
        "schema": _TEXT,
    },
    "ETag": {"description": "The version of this response.", "required": True, "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": _COUNT},
    "WWW-Authenticate": {"description": "How to sign in.", "required": True, "schema": _TEXT},
    "RateLimit-Limit": {"description": "Requests allowed per window.", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "Requests left in the window.", "schema": _COUNT},
    "RateLimit-Reset": {"description": "Seconds until the window resets.", "schema": _COUNT},
    "RateLimit-Policy": {"description": "The limit and its window in seconds.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "`true` if this is the stored response of an earlier request with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
}
_OF_STATUS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}
_OF_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
_ANSWERED = {
    "200": "Done.",
    "201": "Created.",
    "202": "Accepted; executed by a background job.",
    "204": "Done; no content.",
}
_VERSIONED = ("EntryOut", "ItemOut")
_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of the versions that the client has.",
    "schema": _TEXT,
}


def operation_id(route: APIRoute) -> str:
    """The operation id, such as `listAnime`; outside core with the surface as a prefix."""
    surface = route.endpoint.__module__.removeprefix("app.api.").partition(".")[0]
    first, *others = (route.name if surface == "core" else f"{surface}_{route.name}").split("_")
    return first + "".join(other.capitalize() for other in others)


def describe(app: FastAPI, settings: Settings) -> None:
    """Complete the document of ``app`` whenever FastAPI regenerates it."""
    plain = app.openapi
    completed: Json | None = None

    def openapi() -> Json:
        nonlocal completed
        document = plain()
        if document is not completed:
            _complete(document, {route.name: route.access for route in route_table(app)})
            completed = document
        return document

    app.description = TEXT
    app.servers = [{"url": settings.public_base_url or "/"}]
    app.openapi_tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _complete(document: Json, access: Mapping[str, Access]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(deepcopy(_SCHEMAS))
    schemas["ProfilePatch"] = ProfilePatch.model_json_schema()
    restore_examples(schemas)
    _declare_schemes(components["securitySchemes"])
    components["headers"] = _HEADERS
    used = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _Operation(method.upper(), path, operation, access[f"{method.upper()} {path}"]).complete()
            used |= set(operation["tags"])
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in used]
    add_partial_operations(document)
    for name, key, shape in _ENUMS:
        schemas[name]["properties"][key] |= shape
    describe_schemas(schemas)
    drop_unused(document)
    rename(document)


def _declare_schemes(schemes: Json) -> None:
    schemes[_SIGNED_IN]["description"] = "Sign in with user name or e-mail, and password."
    schemes[_SIGNED_IN]["flows"]["password"]["scopes"] = dict(PERMISSIONS)
    schemes[_BEARER] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token, or a personal API token.",
    }
    schemes[_SERVICE] = {"type": "http", "scheme": "bearer", "description": "`INTERNAL_SERVICE_TOKEN`."}


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
        if method != "POST":  # the header concerns POST only, but is a dependency of the whole router
            _drop_parameter(operation, "idempotency-key")
        _drop_undocumented(operation)
        self._parameters = {parameter["name"].lower() for parameter in operation.get("parameters", [])}

    def complete(self) -> None:
        self._declare_access()
        self._describe()
        declared = self._declared()
        self._responses.pop("422", None)
        for error in (*declared, *self._implied()):
            self._add(error)
        if "304" in self._responses:
            self._operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        for status, response in self._responses.items():
            headers = response.setdefault("headers", {})
            for name in self._headers(status):
                headers[name] = {"$ref": f"#/components/headers/{name}"}

    def _declare_access(self) -> None:
        if self._access == "service":
            self._operation["security"] = [{_SERVICE: []}]
            return
        optional = self._operation.get("security") == [{_SIGNED_IN: []}]
        if self._access == "public":
            if optional:
                self._operation["security"] = [{_SIGNED_IN: []}, {_BEARER: []}, {}]
            self._operation.setdefault("security", [])
            return
        scopes = [] if self._access == "session" else [self._access]
        self._operation["security"] = [{_SIGNED_IN: scopes}, {_BEARER: []}]
        needed = "a session; API tokens are rejected" if not scopes else f"the permission `{self._access}`"
        self._operation["description"] += f"\n\nNeeds {needed}."

    def _describe(self) -> None:
        """Add missing descriptions of parameters and responses."""
        for parameter in self._operation.get("parameters", ()):
            schema = parameter.get("schema", {})
            schema.pop("title", None)
            if schema.get("default") == INT_MAX:  # the default means no limit
                del schema["default"]
            text = (
                parameter.get("description")
                or schema.pop("description", None)
                or description_of(parameter["name"])
            )
            if text is not None:
                parameter["description"] = text
        for status, response in self._responses.items():
            if response["description"] in ("", "Successful Response"):
                response["description"] = _ANSWERED.get(status, response["description"])
            for content in response.get("content", {}).values():
                content.get("schema", {}).pop("title", None)
        for content in self._operation.get("requestBody", {}).get("content", {}).values():
            describe_properties(content["schema"])

    def _declared(self) -> list[type[AppError]]:
        """The failures declared by the route; removes them from its responses."""
        named = [name for response in self._responses.values() for name in response.pop(FAILURES, [])]
        declared: list[type[AppError]] = [getattr(errors, name) for name in named]
        for error in declared:
            self._responses.pop(str(error.status), None)
        return declared

    def _implied(self) -> Iterator[type[AppError]]:
        """The failures that any route of this kind can return."""
        if self._operation["security"]:
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
        yield errors.Invalid  # every route rejects unknown query parameters

    def _add(self, error: type[AppError]) -> None:
        status = str(self._surface.invalid_status if error is errors.Invalid else error.status)
        response = self._responses.setdefault(status, {"description": error.default_message})
        content = response.setdefault("content", {}).setdefault("application/json", {})
        schema = _SCHEMA_OF.get(self._surface.name, "Failure")
        content.setdefault("schema", {"$ref": f"#/components/schemas/{schema}"})
        if content["schema"] == {"$ref": f"#/components/schemas/{schema}"}:
            content.setdefault("examples", {})[error.code] = {"value": _example(error, self._surface)}

    def _answers_version(self, status: str) -> bool:
        content = self._responses[status].get("content", {}).get("application/json", {})
        shapes = content.get("schema", {}).get("anyOf", [content.get("schema", {})])
        return any(shape.get("$ref", "").endswith(_VERSIONED) for shape in shapes)

    def _headers(self, status: str) -> Iterator[str]:
        yield "X-Request-ID"
        if status.startswith("2") and "idempotency-key" in self._parameters:
            yield "Idempotency-Replayed"
        if status in ("200", "201") and self._answers_version(status):
            yield "ETag"
        yield from _OF_STATUS.get(status, ())
        if "429" in self._responses and status != "500":
            yield from _OF_LIMITS
        if status == "304" or (status == "200" and "304" in self._responses):
            yield "ETag"
        if status == "200" and {"limit", "offset"} <= self._parameters and self._path not in _UNCOUNTED:
            yield from ("X-Total-Count", "Link")


def _example(error: type[AppError], surface: Surface) -> Json:
    """The failure as rendered by the surface."""
    details = (
        field_details([FieldError("limit", "Input should be a valid integer.", "wrong_type")])
        if error is errors.Invalid
        else None
    )
    failure = Failure(error.status, error.code, error.default_message, details, {}, _EXAMPLE_ID)
    body = surface.body(failure)
    return {**body, "timestamp": _EXAMPLE_TIME} if "timestamp" in body else body
