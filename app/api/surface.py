"""What a surface is: the paths it owns, its routes, and how it says that something failed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure on its way out, in no dialect yet.

    ``reason`` is a code that is more specific than ``code``, for surfaces that have such; else empty.
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
    """``body`` renders a failure in the surface's codes and language; ``invalid_status`` stands for 422."""

    name: str
    prefixes: tuple[str, ...]
    body: Callable[[Failure], Body]
    routers: tuple[APIRouter, ...] = ()
    invalid_status: int = 422


def core_body(failure: Failure) -> Body:
    """The body of a failure on the core surface, which others build on."""
    return {
        "code": failure.code,
        "message": failure.message,
        "details": failure.details,
        "request_id": failure.request_id,
    }
