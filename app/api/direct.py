"""Calls endpoints with simple parameters without FastAPI's general machinery for dependencies."""

# That machinery takes longer than the endpoint and its statements. A request that is unusual in any way, and
# every invalid one, is left to FastAPI, so that failures are the same and are reported in one place.

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import get_annotations, iscoroutinefunction
from typing import Any, TypeAlias

from fastapi import Request, Response, params
from fastapi.dependencies.models import Dependant
from starlette.types import Message, Receive, Scope, Send

_JSON = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)

Call: TypeAlias = Callable[..., Any]
Field: TypeAlias = Any  # FastAPI's description of a parameter, whose class is private


class NotDirect(Exception):
    """The endpoint, or the request, needs FastAPI."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dependency that does nothing for requests that have no ``header``."""

    call: Call
    header: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """An async function to call with the request, its headers and the values of earlier ones."""

    call: Call
    name: str | None
    requests: tuple[str, ...]
    headers: tuple[Field, ...]
    steps: tuple["_Step", ...]

    async def arguments(self, request: Request, done: dict[Call, Any]) -> dict[str, Any]:
        """The arguments of the function; ``done`` has the results of those called for this request."""
        values: dict[str, Any] = dict.fromkeys(self.requests, request)
        for field in self.headers:
            values[field.name] = request.headers.get(field.alias, field.default)
        for step in self.steps:
            if step.call not in done:
                done[step.call] = await step.call(**await step.arguments(request, done))
            if step.name is not None:
                values[step.name] = done[step.call]
        return values


@dataclass(frozen=True, slots=True)
class DirectCall:
    """An endpoint that returns a response, with parameters of the path and at most one JSON body."""

    step: _Step
    path: tuple[Field, ...]
    body: Field | None
    unless: frozenset[bytes]
    """Headers of requests that need FastAPI."""

    @classmethod
    def of(cls, route: Any, skipped: Sequence[Skipped]) -> "DirectCall | None":
        """None if the endpoint needs FastAPI; ``route`` is FastAPI's description of a route."""
        dependant: Dependant = route.dependant
        leave_out: dict[Call | None, bytes | None] = {skip.call: skip.header for skip in skipped}
        bodies = dependant.body_params
        try:
            if get_annotations(dependant.call).get("return") is not Response:  # type: ignore[arg-type]
                raise NotDirect
            if len(bodies) > 1 or route._embed_body_fields or not all(map(_is_json, bodies)):
                raise NotDirect
            step = _step(dependant, leave_out)
        except NotDirect:
            return None
        headers = {leave_out[one.call] for one in dependant.dependencies if one.call in leave_out}
        body = bodies[0] if bodies else None
        return cls(step, tuple(dependant.path_params), body, frozenset(filter(None, headers)))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer the request; returns the messages to go on with where that is left to FastAPI."""
        sent = dict(scope["headers"])
        if not self.unless.isdisjoint(sent):
            return receive
        values = self._of_path(scope)
        if values is None:
            return receive
        if self.body is not None:
            if sent.get(b"content-type", b"").lower() not in _JSON:
                return receive
            messages = await _read(receive)
            receive = _again(messages, receive)
            if not self._add_body(messages, values):
                return receive
        request = Request(scope, receive, send)
        values |= await self.step.arguments(request, {})
        response = await self.step.call(**values)
        await response(scope, receive, send)
        return None

    def _of_path(self, scope: Scope) -> dict[str, Any] | None:
        values: dict[str, Any] = {}
        for field in self.path:
            value, errors = field.validate(
                scope["path_params"][field.alias], values, loc=("path", field.alias)
            )
            if errors:
                return None
            values[field.name] = value
        return values

    def _add_body(self, messages: Sequence[Message], values: dict[str, Any]) -> bool:
        assert self.body is not None
        if messages[-1]["type"] != "http.request":
            return False  # the client has left
        try:
            content = json.loads(b"".join(message.get("body", b"") for message in messages))
        except (ValueError, RecursionError):
            return False
        value, errors = self.body.validate(content, {}, loc=("body",))
        values[self.body.name] = value
        return not errors


def _step(dependant: Dependant, leave_out: dict[Call | None, bytes | None], *, inner: bool = False) -> _Step:
    others: tuple[Any, ...] = (
        dependant.query_params,
        dependant.cookie_params,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
        inner and (dependant.path_params or dependant.body_params),
    )
    call = dependant.call
    is_async = iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)
    if call is None or any(others) or not is_async or not all(map(_is_text, dependant.header_params)):
        raise NotDirect
    names = (dependant.request_param_name, dependant.http_connection_param_name)
    return _Step(
        call,
        dependant.name,
        tuple(name for name in names if name),
        tuple(dependant.header_params),
        tuple(
            _step(one, leave_out, inner=True) for one in dependant.dependencies if one.call not in leave_out
        ),
    )


def _is_json(body: Any) -> bool:
    return not isinstance(body.field_info, params.Form)


def _is_text(field: Any) -> bool:
    """Whether a header may be any text, or missing."""
    return field.field_info.annotation == (str | None) and not field.field_info.metadata


async def _read(receive: Receive) -> list[Message]:
    """The messages up to the end of the body."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: Sequence[Message], receive: Receive) -> Receive:
    """These messages, then those of ``receive``."""
    waiting = iter(messages)

    async def replayed() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replayed
