"""Accounts as the core surface shows them, and what may be changed of them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, model_validator

from app.schemas.core.fields import Body, Email, FullName, GivenPassword, NewPassword, Username
from app.schemas.domain.accounts import Account, Permission, Role


def avatar_path(name: str | None) -> str | None:
    return None if name is None else f"/media/avatars/{name}"


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
            avatar=avatar_path(account.avatar),
            role=account.role,
            permissions=sorted(account.permissions),
            is_active=account.is_active,
            created_at=account.created_at,
        )


class PublicProfileOut(BaseModel):
    """An account as anybody sees it."""

    id: int
    username: str
    avatar: str | None
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "PublicProfileOut":
        return cls(
            id=account.id,
            username=account.username,
            avatar=avatar_path(account.avatar),
            created_at=account.created_at,
        )


class ProfilePatch(Body):
    """Only what is sent changes. ``avatar`` takes null here; a new one comes as a file."""

    username: Username | None = None
    full_name: FullName | None = None
    email: Email | None = None
    avatar: None = None
    current_password: GivenPassword | None = None

    @model_validator(mode="after")
    def _keeps_name(self) -> "ProfilePatch":
        if "username" in self.model_fields_set and self.username is None:
            raise ValueError("username cannot be removed")
        return self

    def values(self) -> dict[str, Any]:
        """The new columns."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"current_password"}}


class EraseIn(Body):
    password: GivenPassword


class UserIn(Body):
    """An account made by an operator."""

    username: Username | None = None
    email: Email | None = None
    password: NewPassword
    full_name: FullName | None = None
    role: Role = "user"

    @model_validator(mode="after")
    def _has_name(self) -> "UserIn":
        if self.username is None and self.email is None:
            raise ValueError("give username, email or both")
        return self


class UserPatch(Body):
    role: Role | None = None
    is_active: bool | None = None
