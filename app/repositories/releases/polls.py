"""SQL of the polling state of a source."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.schemas.domain.releases import PollState, ReleaseSource


class PollRepository:
    """The polling state of one source; its row is created on the first write."""

    def __init__(self, connection: AsyncConnection | AsyncSession, source: ReleaseSource) -> None:
        self._connection = connection
        self._source = source

    async def get(self) -> PollState:
        statement = text("select polled_at, mirrored_at from release_polls where source = :source")
        row = (await self._connection.execute(statement, {"source": self._source})).one_or_none()
        return PollState(row.polled_at, row.mirrored_at) if row else PollState(None, None)

    async def lock(self) -> PollState:
        """The state, locked until the end of the transaction."""
        insert = text("insert into release_polls (source) values (:source) on conflict do nothing")
        await self._connection.execute(insert, {"source": self._source})
        statement = text("select polled_at, mirrored_at from release_polls where source = :source for update")
        row = (await self._connection.execute(statement, {"source": self._source})).one()
        return PollState(row.polled_at, row.mirrored_at)

    async def move_on(
        self, *, polled_at: datetime | None = None, mirrored_at: datetime | None = None
    ) -> None:
        """Record when the newest releases, or all of them, were last read."""
        statement = text(
            """
            insert into release_polls (source, polled_at, mirrored_at)
            values (:source, cast(:polled_at as timestamptz), cast(:mirrored_at as timestamptz))
            on conflict (source) do update set
                polled_at = coalesce(excluded.polled_at, release_polls.polled_at),
                mirrored_at = coalesce(excluded.mirrored_at, release_polls.mirrored_at)
            """
        )
        values = {"source": self._source, "polled_at": polled_at, "mirrored_at": mirrored_at}
        await self._connection.execute(statement, values)
