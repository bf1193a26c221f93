"""A batch of list operations: each is read on its own, so that a bad one fails alone."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.api.surfaces import invalid
from app.errors import AppError
from app.schemas.core.library import (
    BatchErrorOut,
    BatchIn,
    BatchOperationIn,
    BatchOut,
    BatchResultOut,
    EntryOut,
)
from app.services.library import Operation, Outcome, Target

_STATUS = {"add": 201, "update": 200, "delete": 204}


class BatchDraft:
    """The operations that can be tried, and the results of those that cannot."""

    def __init__(self, body: BatchIn) -> None:
        self.operations: list[Operation] = []
        self._results: list[BatchResultOut | None] = []
        for given in body.operations:
            try:
                self.operations.append(_operation(BatchOperationIn.model_validate(given)))
                self._results.append(None)
            except ValidationError as error:
                faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
                self._results.append(_failed(given.get("anime_id"), invalid(faults)))

    def filled(self, outcomes: Sequence[Outcome]) -> BatchOut:
        """All results in the order of the request."""
        rest = iter(outcomes)
        return BatchOut(results=[result or _result(next(rest)) for result in self._results])


def _operation(given: BatchOperationIn) -> Operation:
    return Operation(given.op, Target(anime_id=given.anime_id), given.sent(), given.progress_delta)


def _result(outcome: Outcome) -> BatchResultOut:
    anime_id = outcome.operation.target.anime_id
    if outcome.error is not None:
        return _failed(anime_id, outcome.error)
    entry = None if outcome.entry is None else EntryOut.of(outcome.entry)
    return BatchResultOut(anime_id=anime_id, status=_STATUS[outcome.operation.verb], entry=entry)


def _failed(anime_id: Any, error: AppError) -> BatchResultOut:
    said = BatchErrorOut(code=error.code, message=error.message, details=error.details)
    return BatchResultOut(
        anime_id=anime_id if isinstance(anime_id, int) else None, status=error.status, error=said
    )
