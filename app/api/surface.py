"""A surface: the paths it owns, its routes, and the format of its failures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure to be rendered, independent of the surface.

    ``reason`` is a more specific code than ``code``, for surfaces that have such codes; otherwise empty.
    """

    status: int
    code: str
    message: str
    details: Mapping[str, Any] | None
    headers: Mapping[str, str]
    request_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Surface:
    """``body`` renders a failure in the surface's codes and language; ``invalid_status`` replaces 422."""

    name: str
    prefixes: tuple[str, ...]
    body: Callable[[Failure], Body]
    routers: tuple[APIRouter, ...] = ()
    invalid_status: int = 422


def core_body(failure: Failure) -> Body:
    """The body of a failure on the core surface; other surfaces extend it."""
    return {
        "code": failure.code,
        "message": failure.message,
        "details": failure.details,
        "request_id": failure.request_id,
    }
