"""Failures of single routes in the OpenAPI document; `document.py` adds those of all routes."""

from typing import Any

from app.errors import AppError

Responses = dict[int | str, dict[str, Any]]

# The key under which a response lists its failures; `document.py` removes it.
FAILURES = "x-failures"
# Marks parameters that are supported for old clients only and are hidden from the document.
UNDOCUMENTED = "x-undocumented"

KNOWN_ALREADY: Responses = {304: {"description": "The client has it already, as its If-None-Match says."}}


# The URL of the new resource, in a header of the 201.
LOCATED: Responses = {
    201: {
        "headers": {
            "Location": {
                "description": "Path of what was created.",
                "required": True,
                "schema": {"type": "string"},
            }
        }
    }
}


def file_response(*media_types: str) -> Responses:
    """The 200 of a route that returns a file of one of these media types."""
    content = {
        media_type: {
            "schema": {} if media_type == "application/json" else {"type": "string", "format": "binary"}
        }
        for media_type in media_types
    }
    disposition = {"description": "Name of the file.", "schema": {"type": "string"}}
    return {
        200: {"description": "The file.", "content": content, "headers": {"Content-Disposition": disposition}}
    }


def failures(*errors: type[AppError]) -> Responses:
    """The ``responses`` of a route that may raise these."""
    responses: Responses = {}
    for error in errors:
        response = responses.setdefault(error.status, {"description": "", FAILURES: []})
        response[FAILURES].append(error.__name__)
    return responses
