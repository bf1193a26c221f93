"""Download of import reports: stored chunks are passed through unchanged."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import orjson

from app.schemas.domain.lists import ACTIONS, ReportFormat
from app.utils.spool import Spool
from app.utils.text.spreadsheet import BYTE_ORDER_MARK, write_rows

Writer = Callable[[Spool, Mapping[str, int], AsyncIterator[str]], Awaitable[None]]

_COLUMNS = ("line", "title", "action", "reason")


async def _write_json(spool: Spool, counts: Mapping[str, int], pieces: AsyncIterator[str]) -> None:
    """Join JSON arrays into one without parsing them."""
    head = orjson.dumps({action: counts.get(action, 0) for action in ACTIONS})
    await spool.write(head[:-1] + b',"rows":[')
    before = b""
    async for piece in pieces:
        await spool.write(before + piece[1:-1].encode())
        before = b","
    await spool.write(b"]}")


async def _write_csv(spool: Spool, _: Mapping[str, int], pieces: AsyncIterator[str]) -> None:
    await spool.write(BYTE_ORDER_MARK + write_rows([_COLUMNS]))
    async for piece in pieces:
        rows = orjson.loads(piece)
        await spool.write(write_rows([row[column] for column in _COLUMNS] for row in rows))


REPORT_WRITERS: dict[ReportFormat, Writer] = {"json": _write_json, "csv": _write_csv}
