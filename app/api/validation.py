"""Faults of a request's fields, as pydantic finds them, in the words that a client is told."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from app.errors import Invalid

_FIELDS_TOLD = 20
_LENGTH = {
    "too_long": "String should have at most {max_length}",
    "too_short": "String should have at least {min_length}",
}


def invalid(faults: Sequence[Any]) -> Invalid:
    """The failure that pydantic's faults describe; each ``loc`` starts with the part of the request."""
    fields: dict[str, list[str]] = {}
    for fault in faults[:_FIELDS_TOLD]:
        fields.setdefault(_field(fault), []).append(printable(_sentence(fault)))
    return Invalid.fields(fields)


def _field(fault: Mapping[str, Any]) -> str:
    where = fault["loc"]
    if fault["type"] == "json_invalid" or len(where) == 1:
        return str(where[0])
    return printable(".".join(str(part) for part in where[1:]))


def _sentence(fault: Mapping[str, Any]) -> str:
    context = fault.get("ctx") or {}
    if fault["type"] == "extra_forbidden" and "known" in context:
        near = get_close_matches(str(fault["loc"][-1]), context["known"], 1, 0.5)
        return f"Unknown parameter; did you mean {near[0]}?" if near else "Unknown parameter."
    if fault["type"] in ("too_long", "too_short") and isinstance(fault.get("input"), str):
        return f"{_LENGTH[fault['type']].format_map(context)} characters"  # pydantic would say items
    return str(fault["msg"]).removeprefix("Value error, ")


def printable(text: str) -> str:
    return text[:200].encode("utf-8", "replace").decode().replace("\x00", "\\0")
