"""The registry of surfaces: finds the one of a path, and renders failures in its format."""

import json
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.anilibria.surface import ANILIBRIA
from app.api.core.surface import CORE
from app.api.hianime.surface import HIANIME
from app.api.internal.surface import INTERNAL
from app.api.links import opened_by_browser
from app.api.page import missing_page
from app.api.routing import methods_of
from app.api.surface import Failure, Surface
from app.api.tracker.surface import TRACKER
from app.api.validation import invalid, printable
from app.errors import (
    AppError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RateLimited,
    ServiceUnavailable,
    Unauthenticated,
    UnsupportedMedia,
)
from app.utils.db.database import DatabaseUnavailable, ReferenceGone, UnstorableValue

# The exceptions `respond` is registered for; any other is a bug and is handled by `CrashHandler`.
RENDERED: tuple[type[Exception], ...] = (
    AppError,
    DatabaseUnavailable,
    ReferenceGone,
    UnstorableValue,
    RequestValidationError,
    HTTPException,
)


# The first surface with a matching prefix is used; all other paths are core.
SURFACES = (ANILIBRIA, TRACKER, HIANIME, INTERNAL)


def surface_of(path: str) -> Surface:
    for surface in SURFACES:
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in surface.prefixes):
            return surface
    return CORE


async def respond(request: Request, error: Exception) -> Response:
    """The exception handler; async, since Starlette would run a plain function in a thread.

    The error stays in the request's state, for concurrent requests that share the outcome.
    """
    request.state.failure = error
    return render(request, error)


def render(request: Request, error: Exception) -> Response:
    """The response for any exception; for a bug the client learns only the request id."""
    failure = _failure(error, request)
    surface = surface_of(request.scope["path"])
    if surface is CORE and _leads_nowhere(failure, error) and opened_by_browser(request):
        return missing_page(request)
    status = surface.invalid_status if failure.status == Invalid.status else failure.status
    # ASCII escapes can represent any text, even lone surrogates
    body = json.dumps(surface.body(failure), default=str).encode()
    return Response(body, status, dict(failure.headers), media_type="application/json")


def _leads_nowhere(failure: Failure, error: Exception) -> bool:
    """Whether nothing is at the path, or its ids are none."""
    if isinstance(error, RequestValidationError):
        return any(fault["loc"][0] == "path" for fault in error.errors())
    return failure.status == NotFound.status


def _failure(error: Exception, request: Request) -> Failure:
    request_id = request.scope.get("state", {}).get("request_id", "")
    known = _as_app_error(error, request)
    if isinstance(known, AppError):
        return Failure(
            known.status, known.code, known.message, known.details, known.headers, request_id, known.reason
        )
    if known.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette lists only the methods of the first matching route, not of the path
        known.headers = {"Allow": ", ".join(methods_of(request.scope))}
    return _http_failure(known, request_id)


def _as_app_error(error: Exception, request: Request) -> AppError | HTTPException:
    if isinstance(error, AppError | HTTPException):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error, request)
    if isinstance(error, DatabaseUnavailable):
        return ServiceUnavailable(retry_after=1)
    if isinstance(error, ReferenceGone):
        return NotFound("A referenced object was deleted meanwhile.")
    if isinstance(error, UnstorableValue):
        return Invalid(str(error))
    return AppError()


_STATUS_ERRORS: dict[int, type[AppError]] = {
    error.status: error
    for error in (
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        PayloadTooLarge,
        UnsupportedMedia,
        Invalid,
        RateLimited,
        ServiceUnavailable,
    )
}


def _http_failure(error: HTTPException, request_id: str) -> Failure:
    """A failure raised by the framework: no route, wrong method, unreadable body."""
    status = error.status_code
    headers = dict(error.headers or {})
    if status in _STATUS_ERRORS:
        known = _STATUS_ERRORS[status]
        return Failure(status, known.code, known.default_message, None, headers, request_id)
    if status == HTTPStatus.BAD_REQUEST:
        return Failure(Invalid.status, Invalid.code, "The body cannot be read.", None, headers, request_id)
    phrase = HTTPStatus(status).phrase
    return Failure(status, phrase.upper().replace(" ", "_"), f"{phrase}.", None, headers, request_id)


def _invalid(error: RequestValidationError, request: Request) -> AppError:
    faults = error.errors()
    if isinstance(error.body, bytes) and any(fault["loc"][:1] == ("body",) for fault in faults):
        sent = request.headers.get("content-type") or "nothing"
        return UnsupportedMedia(f"Send application/json, not {printable(sent)}.")
    return invalid(faults)
