"""Startup check: no request is accepted before the database schema is current."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.config import Settings
from app.logs import log
from app.services.accounts.avatars import check_folder
from app.utils.db import migrations
from app.utils.db.database import DatabaseUnavailable

_REFUSALS = (DatabaseUnavailable, migrations.LoginRefused, migrations.SchemaNotReady)


class StartGate:
    """Migrates, or only checks, according to ``AUTO_MIGRATE``.

    A mismatch ends the server with a one-line message.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and (refusal := await self._refusal()):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": refusal})
            return
        await self._app(scope, receive, send)

    async def _refusal(self) -> str | None:
        try:
            state = await migrations.ensure(self._settings.database, auto=self._settings.auto_migrate)
        except _REFUSALS as error:
            return f"Not started: {error}"
        try:
            check_folder(self._settings.upload_folder)
        except OSError as error:
            return f"Not started: avatars cannot be stored, set UPLOAD_DIR to a folder of ours: {error}"
        log.info("schema.ready", database=state.database, schema=state.schema, revision=state.revision)
        return None
