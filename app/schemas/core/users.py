"""Accounts as the core surface shows them."""

from datetime import datetime

from pydantic import BaseModel

from app.schemas.domain.accounts import Account, Permission, Role


class ProfileOut(BaseModel):
    """An account as its owner and the operators see it."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    avatar: str | None
    role: Role
    permissions: list[Permission]
    is_active: bool
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "ProfileOut":
        return cls(
            id=account.id,
            username=account.username,
            email=account.email,
            full_name=account.full_name,
            avatar=account.avatar,
            role=account.role,
            permissions=sorted(account.permissions),
            is_active=account.is_active,
            created_at=account.created_at,
        )
