"""SQL of authentication: runs on every authenticated request, so it bypasses SQLAlchemy."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from app.schemas.domain.accounts import PERMISSIONS, Account, Permission, Principal
from app.utils.db.database import Driver

_ACCOUNT = tuple(Account.__dataclass_fields__)  # these are the names of the columns too
_COLUMNS = ", ".join(f"u.{name}" for name in _ACCOUNT)
_BY_SESSION = (
    f"select {_COLUMNS} from sessions s join users u on u.id = s.user_id "
    "where s.id = $1 and s.user_id = $2 and s.expires_at > $3 and u.is_active"
)
_BY_TOKEN = (
    f"select t.id as token_id, t.scopes, t.expires_at, t.last_used_at, {_COLUMNS} "
    "from api_tokens t join users u on u.id = t.user_id "
    "where t.token_hash = $1 and t.expires_at > $2 and u.is_active"
)
_LIVE = (
    "select s.id from sessions s join users u on u.id = s.user_id "
    "where s.id = any($1) and s.expires_at > $2 and u.is_active"
)
_LIVE_TOKENS = (
    "select t.token_hash from api_tokens t join users u on u.id = t.user_id "
    "where t.token_hash = any($1) and t.expires_at > $2 and u.is_active"
)


async def list_live_sessions(driver: Driver, session_ids: Iterable[UUID], *, now: datetime) -> set[UUID]:
    """Those of the sessions that have not ended and whose account is active."""
    ids = list(session_ids)
    return {row["id"] for row in await driver.fetch(_LIVE, ids, now)} if ids else set()


async def list_live_tokens(driver: Driver, token_hashes: Iterable[bytes], *, now: datetime) -> set[bytes]:
    """Those of the API tokens that are neither revoked nor expired and whose account is active."""
    hashes = list(token_hashes)
    return {row["token_hash"] for row in await driver.fetch(_LIVE_TOKENS, hashes, now)} if hashes else set()


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
        account = Account(*row)
        return _principal(account, PERMISSIONS[account.role], session_id, expires_at)

    async def find_by_token(
        self, token_hash: bytes, now: datetime
    ) -> tuple[Principal, int, datetime | None] | None:
        """The caller of an API token, the token's id, and when its use was last recorded."""
        row = await self._driver.fetchrow(_BY_TOKEN, token_hash, now)
        if row is None:
            return None
        token_id, scopes, expires_at, last_used_at, *columns = row
        account = Account(*columns)
        permissions = PERMISSIONS[account.role] & frozenset(scopes)
        return _principal(account, permissions, None, expires_at), token_id, last_used_at


def _principal(
    account: Account, permissions: frozenset[Permission], session_id: UUID | None, expires_at: datetime
) -> Principal:
    return Principal(account.id, account.username, account.role, permissions, session_id, expires_at, account)
