"""Alembic's entry point: migrations run on the given connection, or on DATABASE_URL."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import load_settings
from app.models import Base

_LOCK_TIMEOUT = "4s"  # a migration that waits for a busy table gives up instead of blocking every reader


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        connection.execute(text(f"set lock_timeout = '{_LOCK_TIMEOUT}'"))
        context.run_migrations()


async def _connect_and_run(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    asyncio.run(_connect_and_run(load_settings().database))
