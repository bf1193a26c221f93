"""How the failures of single routes stand in the OpenAPI document; `openapi.py` adds what all have."""

from typing import Any

from app.errors import AppError

Responses = dict[int | str, dict[str, Any]]

KNOWN_ALREADY: Responses = {304: {"description": "The client has it already, as its If-None-Match says."}}


def failures(*errors: type[AppError]) -> Responses:
    """The ``responses`` of a route that may raise these."""
    return {error.status: _described(error) for error in errors}


def _described(error: type[AppError]) -> dict[str, Any]:
    example = {
        "code": error.code,
        "message": error.default_message,
        "details": None,
        "request_id": "0b9cf1f0a4f24a6d9a3dbd1f6b3f9a51",
    }
    body = {"schema": {"$ref": "#/components/schemas/Failure"}, "example": example}
    return {"description": error.default_message, "content": {"application/json": body}}
