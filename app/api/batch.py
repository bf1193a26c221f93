"""Batches of list operations: each is validated separately, so that an invalid one fails alone."""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import TypeAdapter, ValidationError

from app.api.validation import invalid
from app.errors import AppError
from app.schemas.core.library import (
    BatchErrorOut,
    BatchIn,
    BatchOperation,
    BatchResultOut,
    DeleteOperation,
    UpdateOperation,
)
from app.schemas.domain.library import RenderedEntry
from app.services.library import Operation, Outcome, Target

_OPERATION: TypeAdapter[BatchOperation] = TypeAdapter(BatchOperation)


class BatchDraft:
    """The valid operations, and the results of the invalid ones."""

    def __init__(self, body: BatchIn) -> None:
        self.operations: list[Operation] = []
        self._results: list[orjson.Fragment | None] = []
        given: Any
        for given in body.operations:
            try:
                self.operations.append(_operation(_OPERATION.validate_python(given)))
                self._results.append(None)
            except ValidationError as error:
                target = (_whole(given.get("anime_id")), _whole(given.get("mal_id")))
                self._results.append(_failed(*target, invalid(_faults(error))))

    def answer(self, outcomes: Sequence[tuple[Outcome, RenderedEntry | None]]) -> Response:
        """The results of all operations, in the order of the request."""
        rest = iter(outcomes)
        results = [result or _result(*next(rest)) for result in self._results]
        body = orjson.dumps({"results": results})
        return Response(body, media_type="application/json")


def _operation(given: BatchOperation) -> Operation:
    target = Target(anime_id=given.anime_id, mal_id=given.mal_id)
    if isinstance(given, DeleteOperation):
        return Operation("delete", target, versions=given.if_match)
    delta = given.progress_delta if isinstance(given, UpdateOperation) else 0
    return Operation(given.op, target, given.sent(), delta, given.if_match)


def _faults(error: ValidationError) -> list[Any]:
    """The validation errors without the operation name, which pydantic puts first in each location."""
    found = error.errors(include_url=False)
    return [{**fault, "loc": ("body", *(fault["loc"][1:] or ("op",)))} for fault in found]


def _result(outcome: Outcome, shown: RenderedEntry | None) -> orjson.Fragment | dict[str, Any]:
    target = outcome.operation.target
    if outcome.error is not None:
        return _failed(target.anime_id, target.mal_id, outcome.error)
    return {
        "anime_id": target.anime_id if shown is None else shown.anime_id,
        "mal_id": target.mal_id,
        "status": _status(outcome),
        "version": None if shown is None else shown.version,
        "entry": None if shown is None else orjson.Fragment(shown.body),
        "error": None,
    }


def _status(outcome: Outcome) -> int:
    if outcome.operation.verb == "delete":
        return 204
    return 201 if outcome.created else 200


def _failed(anime_id: int | None, mal_id: int | None, error: AppError) -> orjson.Fragment:
    failure = BatchErrorOut(code=error.code, message=error.message, details=error.details)
    result = BatchResultOut(
        anime_id=anime_id, mal_id=mal_id, status=error.status, version=None, error=failure
    )
    return orjson.Fragment(result.model_dump_json())  # orjson cannot write integers beyond 64 bits


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None  # exclude True, which equals 1 in Python
