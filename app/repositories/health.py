"""SQL of the health check."""

from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.utils.db.database import Database, DatabaseUnavailable


class HealthRepository:
    """Works on a whole pool, since getting a connection is what is tried."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find_revision(self) -> str | None:
        """The revision of the schema; None where there is none. No entry to the database is an outage too."""
        try:
            revision: str | None = await self._db.scalar("select version_num from alembic_version")
        except ProgrammingError:
            return None
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from error
        return revision
