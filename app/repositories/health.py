"""SQL of the health check."""

from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.utils.db.database import Database, DatabaseUnavailable


class HealthRepository:
    """Takes the pool rather than a connection, since getting one is part of the check."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find_revision(self) -> str | None:
        """The revision of the schema, None without a schema. A refused login counts as an outage."""
        try:
            revision: str | None = await self._db.scalar("select version_num from alembic_version")
        except ProgrammingError:
            return None
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from error
        return revision
