"""What FastAPI cannot see in the signatures: who may ask, and how a failure looks."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from app.api.access import ACCESS
from app.api.surfaces import surface_of
from app.errors import AppError, Forbidden, NotFound, RateLimited, Unauthenticated

Operation = dict[str, Any]

_SCHEME = "OAuth2PasswordBearer"
_NOBODY_ASKS = ("ValidationError", "HTTPValidationError")  # FastAPI's own, which no route answers with
_TEXT: dict[str, Any] = {"type": "string"}
_NULLABLE = {"type": ["object", "null"], "additionalProperties": True}
_CORE: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message", "details", "request_id"],
    "properties": {"code": _TEXT, "message": _TEXT, "details": _NULLABLE, "request_id": _TEXT},
}
_FAILURES: dict[str, dict[str, Any]] = {
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
                "properties": {"code": _TEXT, "message": _TEXT, "details": _NULLABLE},
            },
            "timestamp": {"type": "string", "format": "date-time"},
            "request_id": _TEXT,
        },
    },
}
_OF_SURFACE = {"tracker": "TrackerFailure", "anilibria": "AniLibriaFailure"}


def describe(app: FastAPI) -> None:
    """Complete the document of ``app`` when it is first asked for."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _complete(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_FAILURES)
    for name in _NOBODY_ASKS:
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(f"{method.upper()} {path}", path, operation)


def _complete_operation(name: str, path: str, operation: Operation) -> None:
    is_public = ACCESS.get(name) == "public"
    if not is_public:
        operation["security"] = [{_SCHEME: []}]
    surface = surface_of(path)
    schema = {"$ref": f"#/components/schemas/{_OF_SURFACE.get(surface.name, 'Failure')}"}
    body = {"application/json": {"schema": schema}}
    responses = operation["responses"]
    if responses.pop("422", None) is not None or "requestBody" in operation:
        responses[str(surface.invalid_status)] = {"description": "The request is not valid.", "content": body}
    for failure in _usual(path, is_public=is_public):
        known = {"description": failure.default_message, "content": body}
        responses.setdefault(str(failure.status), known)


def _usual(path: str, *, is_public: bool) -> Iterator[type[AppError]]:
    if not is_public:
        yield from (Unauthenticated, Forbidden)
    if "{" in path:
        yield NotFound
    if path.startswith(("/auth/", "/api/auth/")):
        yield RateLimited
