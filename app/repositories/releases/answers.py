"""SQL of stored upstream responses that have no tables of their own: the last level of a cache."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


class AnswerRepository:
    def __init__(self, connection: AsyncConnection | AsyncSession) -> None:
        self._connection = connection

    async def find(self, key: str) -> tuple[bytes, datetime] | None:
        """The stored body of the key, and when it was fetched."""
        statement = text("select body, fetched_at from upstream_answers where key = :key")
        row = (await self._connection.execute(statement, {"key": key})).one_or_none()
        return None if row is None else (bytes(row.body), row.fetched_at)

    async def keep(self, key: str, body: bytes, *, fetched_at: datetime) -> None:
        statement = text(
            """
            insert into upstream_answers (key, body, fetched_at) values (:key, :body, :fetched_at)
            on conflict (key) do update set body = excluded.body, fetched_at = excluded.fetched_at
            where upstream_answers.fetched_at <= excluded.fetched_at
            """
        )
        await self._connection.execute(statement, {"key": key, "body": body, "fetched_at": fetched_at})

    async def delete(self, patterns: Sequence[str]) -> None:
        """Delete the responses whose keys match one of the SQL LIKE patterns."""
        statement = text("delete from upstream_answers where key like any(:patterns)")
        await self._connection.execute(statement, {"patterns": list(patterns)})
