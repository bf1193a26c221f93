"""Expected failures: one exception hierarchy, which each API surface renders in its own format."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from math import ceil
from typing import Any, ClassVar, Literal

_NAMED = {"username": "user name", "email": "e-mail address"}


FieldCode = Literal[
    "above_total", "guessable", "invalid", "not_allowed", "not_json", "repeated", "required", "taken",
    "too_large", "too_long", "too_short", "too_small", "unknown", "wrong", "wrong_format", "wrong_type",
]  # fmt: skip


class AppError(Exception):
    """A failure that is reported to the client.

    ``details`` is any JSON object; ``headers`` are added to the response. ``reason`` is a more specific code,
    which surfaces that distinguish it send instead of ``code``.
    """

    code: str = "INTERNAL_ERROR"
    reason: ClassVar[str] = ""
    status: int = 500
    default_message: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or self.default_message)
        self.message = message or self.default_message
        self.details = dict(details) if details is not None else None
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: ``code`` and ``params`` for programs, ``message`` for people."""

    field: str
    message: str
    code: FieldCode = "invalid"
    params: Mapping[str, Any] = dataclass_field(default_factory=dict)


def field_details(errors: Sequence[FieldError]) -> dict[str, Any]:
    """The ``details`` of a validation error: messages by field, and a list with all data of each error."""
    fields: dict[str, list[str]] = {}
    for error in errors:
        fields.setdefault(error.field, []).append(error.message)
    return {"fields": fields, "errors": [{**asdict(error), "params": dict(error.params)} for error in errors]}


class Invalid(AppError):
    code = "VALIDATION_ERROR"
    status = 422
    default_message = "The request is invalid."

    @classmethod
    def fields(
        cls, fields: Mapping[str, Sequence[str]], message: str | None = None, *, code: FieldCode = "invalid"
    ) -> "Invalid":
        """Create a validation error from messages by field; its own message is the first of them."""
        return cls.of(
            [FieldError(name, text, code) for name, texts in fields.items() for text in texts], message
        )

    @classmethod
    def of(cls, errors: Sequence[FieldError], message: str | None = None) -> "Invalid":
        first = errors[0]
        return cls(message or f"{first.field}: {first.message}", details=field_details(errors))


class BadRequest(AppError):
    """For routes whose existing clients expect 400 where other routes answer 401, 409 or 422."""

    code = "VALIDATION_ERROR"
    status = 400
    default_message = "The request was refused."


class DumpUnreadable(Invalid):
    """The file is not a dump, or is corrupt or truncated; the rows before the fault are stored."""


class Unauthenticated(AppError):
    code = "AUTH_ERROR"
    status = 401
    default_message = "Sign in first."

    def __init__(self, message: str | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details=details, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    code = "PERMISSION_DENIED"
    status = 403
    default_message = "Your account may not do this."


class RegistrationClosed(Forbidden):
    """Only operators create accounts here."""

    code = "REGISTRATION_CLOSED"
    default_message = "Registration is closed here: ask an operator for an account."


class NotFound(AppError):
    code = "NOT_FOUND"
    status = 404
    default_message = "Not found."


class Conflict(AppError):
    code = "CONFLICT_ERROR"
    status = 409
    default_message = "This conflicts with existing data."


class Taken(Conflict):
    """The user name or e-mail address is in use."""

    default_message = "This name or e-mail is taken."

    def __init__(self, fields: Sequence[str] = ()) -> None:
        """``fields`` are those in use by another account: ``username``, ``email``."""
        errors = [FieldError(name, f"This {_NAMED[name]} is taken.", "taken") for name in fields]
        super().__init__(
            errors[0].message if errors else None, details=field_details(errors) if errors else None
        )


class Duplicate(Conflict):
    """The object that the request would create exists; ``field`` of the request identifies it."""

    default_message = "This exists already."

    def __init__(self, field: str, **details: Any) -> None:
        error = FieldError(field, self.default_message, "taken")
        super().__init__(details={**details, **field_details([error])})


class PreconditionFailed(AppError):
    code = "PRECONDITION_FAILED"
    status = 412
    default_message = "The object has changed since you read it."


class PayloadTooLarge(AppError):
    code = "PAYLOAD_TOO_LARGE"
    status = 413
    default_message = "The body is too large."


class UnsupportedMedia(AppError):
    code = "UNSUPPORTED_MEDIA"
    status = 415
    default_message = "This content type is not supported."


class _WithRetryAfter(AppError):
    """A temporary failure; ``retry_after`` is in seconds."""

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.retry_after = retry_after
        headers = {} if retry_after is None else {"Retry-After": str(max(1, ceil(retry_after)))}
        super().__init__(message, details=details, headers=headers)


class RateLimited(_WithRetryAfter):
    code = "RATE_LIMITED"
    status = 429
    default_message = "Too many requests; wait a moment."


class ServiceUnavailable(_WithRetryAfter):
    """AniSync's own database or cache does not answer."""

    code = "SERVICE_UNAVAILABLE"
    status = 503
    default_message = "The service is not available right now."


class UpstreamFailure(_WithRetryAfter):
    """Base class of failures of an upstream."""

    code = "UPSTREAM_ERROR"
    status = 502
    default_message = "The upstream service failed."


class UpstreamError(UpstreamFailure):
    """The upstream answered with a server error or an unexpected response."""


class UpstreamRejected(UpstreamError):
    """The upstream rejected the content of a valid request; another attempt would not help."""


class TokenRefused(Conflict):
    """The service no longer accepts the token of the user's account there."""

    default_message = "The connection to the service has ended: connect your account again."


class UpstreamUnavailable(UpstreamFailure):
    """The upstream is unreachable, its circuit breaker is open, or its rate limit is exhausted."""

    code = "UPSTREAM_UNAVAILABLE"
    status = 503
    default_message = "The upstream service is not available right now."


class UpstreamDisabled(AppError):
    code = "UPSTREAM_DISABLED"
    status = 503
    default_message = "This upstream is not configured."


class UpstreamTimeout(UpstreamFailure):
    code = "UPSTREAM_TIMEOUT"
    status = 504
    default_message = "The upstream service did not answer in time."


class UpstreamRefused(_WithRetryAfter):
    """The upstream answered a 4xx that is passed on to our client."""

    code = "UPSTREAM_ERROR"
    status = 400
    default_message = "The upstream service refused the request."

    def __init__(self, status: int, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status
        self.code = _REFUSALS.get(status, self.code)


_REFUSALS = {error.status: error.code for error in (BadRequest, NotFound, Invalid, RateLimited)}
