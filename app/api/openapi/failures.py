"""Failures of single routes in the OpenAPI document; `document.py` adds those of all routes."""

from typing import Any

from app.errors import AppError

Responses = dict[int | str, dict[str, Any]]

# Under this key a response names the failures it stands for; `openapi.py` takes it away again.
FAILURES = "x-failures"
# In the schema of a parameter that goes on working for old clients, and is not shown to new ones.
UNDOCUMENTED = "x-undocumented"

KNOWN_ALREADY: Responses = {304: {"description": "The client has it already, as its If-None-Match says."}}


# The address of what was created; in the headers of its 201.
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
    """The 200 of a route that answers a file, of one of these types."""
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
