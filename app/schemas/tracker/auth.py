"""Schemas of accounts on the tracker surface."""

from pydantic import BaseModel

from app.schemas.core.fields import Body, FullName, NewPassword, Username
from app.schemas.domain.accounts import Account


class RegisterIn(Body):
    username: Username
    password: NewPassword
    full_name: FullName | None = None


class RegisteredOut(BaseModel):
    id: int
    username: str

    @classmethod
    def of(cls, account: Account) -> "RegisteredOut":
        return cls(id=account.id, username=account.username)


class MeOut(BaseModel):
    username: str
    full_name: str | None
    disabled: bool

    @classmethod
    def of(cls, account: Account) -> "MeOut":
        return cls(username=account.username, full_name=account.full_name, disabled=not account.is_active)
