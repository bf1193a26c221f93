"""Accounts: who is calling, signing in, the people behind it."""

from app.errors import Unauthenticated
from app.schemas.domain.accounts import Principal
from app.utils.database import Database


class AccountService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def authenticate(self, token: str) -> Principal:
        """Who the access token belongs to; raises :class:`Unauthenticated` when it is not good."""
        raise Unauthenticated
