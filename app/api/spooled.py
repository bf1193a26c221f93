"""Responses from a temporary file: their length is known, and little of them is in memory."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.utils.spool import Spool


class SpooledResponse(Response):
    """Sends the file and closes it, even if sending fails; ``name`` is the suggested file name."""

    def __init__(self, spool: Spool, *, media_type: str, name: str | None = None) -> None:
        headers = {} if name is None else {"Content-Disposition": f'attachment; filename="{name}"'}
        headers["Content-Length"] = str(spool.size)
        super().__init__(None, headers=headers, media_type=media_type)
        self._spool = spool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            await send(start)
            async for chunk in self._spool.read():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._spool.close()
