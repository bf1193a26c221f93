"""A batch of list operations: each is read on its own, so that a bad one fails alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import ValidationError

from app.api.validation import invalid
from app.errors import AppError
from app.schemas.core.library import BatchErrorOut, BatchIn, BatchOperationIn, BatchResultOut
from app.schemas.domain.library import RenderedEntry
from app.services.library import Operation, Outcome, Target

_STATUS = {"add": 201, "update": 200, "delete": 204}


class BatchDraft:
    """The operations that can be tried, and the results of those that cannot."""

    def __init__(self, body: BatchIn) -> None:
        self.operations: list[Operation] = []
        self._results: list[orjson.Fragment | None] = []
        for given in body.operations:
            try:
                self.operations.append(_operation(BatchOperationIn.model_validate(given)))
                self._results.append(None)
            except ValidationError as error:
                faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
                self._results.append(_failed(given.get("anime_id"), invalid(faults)))

    def answer(self, outcomes: Sequence[Outcome], entries: Sequence[RenderedEntry]) -> Response:
        """All results in the order of the request; ``entries`` are those of the outcomes that have one."""
        rest, shown = iter(outcomes), iter(entries)
        results = [result or _result(next(rest), shown) for result in self._results]
        body = orjson.dumps({"results": results})
        return Response(body, media_type="application/json")


def _operation(given: BatchOperationIn) -> Operation:
    return Operation(given.op, Target(anime_id=given.anime_id), given.sent(), given.progress_delta)


def _result(outcome: Outcome, shown: Iterator[RenderedEntry]) -> orjson.Fragment | dict[str, Any]:
    anime_id = outcome.operation.target.anime_id
    if outcome.error is not None:
        return _failed(anime_id, outcome.error)
    entry = None if outcome.entry is None else orjson.Fragment(next(shown).body)
    status = _STATUS[outcome.operation.verb]
    return {"anime_id": anime_id, "status": status, "entry": entry, "error": None}


def _failed(anime_id: Any, error: AppError) -> orjson.Fragment:
    said = BatchErrorOut(code=error.code, message=error.message, details=error.details)
    known = anime_id if type(anime_id) is int else None  # not true, which Python takes for 1
    result = BatchResultOut(anime_id=known, status=error.status, error=said)
    return orjson.Fragment(result.model_dump_json())  # which writes a whole number of any size
