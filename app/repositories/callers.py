"""SQL of authentication: runs on every authenticated request, so it bypasses SQLAlchemy."""

from datetime import datetime
from uuid import UUID

from app.schemas.domain.accounts import PERMISSIONS, Principal
from app.utils.db.database import Driver

_BY_SESSION = (
    "select u.username, u.role from sessions s join users u on u.id = s.user_id "
    "where s.id = $1 and s.user_id = $2 and s.expires_at > $3 and u.is_active"
)
_BY_TOKEN = (
    "select t.id, t.user_id, t.scopes, t.expires_at, t.last_used_at, u.username, u.role "
    "from api_tokens t join users u on u.id = t.user_id "
    "where t.token_hash = $1 and t.expires_at > $2 and u.is_active"
)


class CallerRepository:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_by_session(
        self, session_id: UUID, user_id: int, *, now: datetime, expires_at: datetime
    ) -> Principal | None:
        """The caller of a session that has not ended, if its account is active."""
        row = await self._driver.fetchrow(_BY_SESSION, session_id, user_id, now)
        if row is None:
            return None
        role = row["role"]
        return Principal(user_id, row["username"], role, PERMISSIONS[role], session_id, expires_at)

    async def find_by_token(
        self, token_hash: bytes, now: datetime
    ) -> tuple[Principal, int, datetime | None] | None:
        """The caller of an API token, the token's id, and when its use was last recorded."""
        row = await self._driver.fetchrow(_BY_TOKEN, token_hash, now)
        if row is None:
            return None
        role = row["role"]
        permissions = PERMISSIONS[role] & frozenset(row["scopes"])
        expires_at = row["expires_at"]
        caller = Principal(row["user_id"], row["username"], role, permissions, None, expires_at)
        return caller, row["id"], row["last_used_at"]
