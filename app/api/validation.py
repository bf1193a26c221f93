"""Validation errors of pydantic, converted to our field errors."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from app.errors import FieldCode, FieldError, Invalid

_FIELDS_TOLD = 20

# Our code for each pydantic error type, and our parameters by their names in pydantic's context.
_CODES: dict[str, tuple[FieldCode, dict[str, str]]] = {
    "missing": ("required", {}),
    "string_too_long": ("too_long", {"max": "max_length"}),
    "string_too_short": ("too_short", {"min": "min_length"}),
    "too_long": ("too_long", {"max": "max_length"}),
    "too_short": ("too_short", {"min": "min_length"}),
    "greater_than": ("too_small", {"above": "gt"}),
    "greater_than_equal": ("too_small", {"min": "ge"}),
    "less_than": ("too_large", {"below": "lt"}),
    "less_than_equal": ("too_large", {"max": "le"}),
    "literal_error": ("not_allowed", {"allowed": "expected"}),
    "union_tag_invalid": ("not_allowed", {"allowed": "expected_tags"}),
    "union_tag_not_found": ("required", {}),
    "extra_forbidden": ("unknown", {}),
    "repeated": ("repeated", {}),
    "string_pattern_mismatch": ("wrong_format", {}),
    "json_invalid": ("not_json", {}),
}
_WRONG_TYPE = ("_type", "_parsing", "_parsing_size", "_from_float")
_SAID: dict[str, str] = {
    "string_pattern_mismatch": "This has characters, or a form, that are not allowed here.",
    "union_tag_not_found": "Field required",
}


def invalid(faults: Sequence[Any]) -> Invalid:
    """The failure for pydantic's errors; the first part of each ``loc`` is the part of the request."""
    return Invalid.of([_field_error(fault) for fault in faults[:_FIELDS_TOLD]])


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    code, params = _code(fault)
    return FieldError(_field(fault), printable(_sentence(fault)), code, params)


def _code(fault: Mapping[str, Any]) -> tuple[FieldCode, dict[str, Any]]:
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "extra_forbidden":
        near = _nearest(fault)
        return "unknown", {"nearest": near} if near else {}
    if kind in _CODES:
        code, names = _CODES[kind]
        params = {name: context[source] for name, source in names.items() if source in context}
        if isinstance(allowed := params.get("allowed"), str):  # a text such as: 'a', 'b' or 'c'
            params["allowed"] = re.findall(r"'([^']*)'", allowed)
        return code, params
    return ("wrong_type" if kind.endswith(_WRONG_TYPE) else "invalid"), {}


def _nearest(fault: Mapping[str, Any]) -> str | None:
    known = (fault.get("ctx") or {}).get("known", ())
    return next(iter(get_close_matches(str(fault["loc"][-1]), known, 1, 0.5)), None)


def _field(fault: Mapping[str, Any]) -> str:
    where = fault["loc"]
    if fault["type"] == "json_invalid" or len(where) == 1:
        return str(where[0])
    return printable(".".join(str(part) for part in where[1:]))


def _sentence(fault: Mapping[str, Any]) -> str:
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "extra_forbidden" and "known" in context:
        near = _nearest(fault)
        return f"Unknown parameter; did you mean {near}?" if near else "Unknown parameter."
    if kind in ("too_long", "too_short") and isinstance(fault.get("input"), str):
        bound = (
            f"at most {context['max_length']}" if kind == "too_long" else f"at least {context['min_length']}"
        )
        return f"String should have {bound} characters"  # pydantic's message says items
    return _SAID.get(kind) or str(fault["msg"]).removeprefix("Value error, ")


def printable(text: str) -> str:
    return text[:200].encode("utf-8", "replace").decode().replace("\x00", "\\0")
