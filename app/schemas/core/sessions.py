"""Schemas of sessions and personal API tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.schemas.core.fields import Body, Email, GivenPassword, NewPassword, one_line
from app.schemas.domain.accounts import ApiToken, Permission, Session


class SessionOut(BaseModel):
    """``device`` is the user agent of the client; ``current`` marks the session of this request."""

    id: UUID
    device: str | None
    address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: Session, *, current: UUID | None) -> "SessionOut":
        return cls(
            id=session.id,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            current=session.id == current,
        )


class ApiTokenIn(Body):
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(one_line)
    ]
    scopes: Annotated[list[Permission], Field(min_length=1, max_length=20)]
    expires_in_days: Annotated[int, Field(ge=1, le=366)] = 90


class ApiTokenOut(BaseModel):
    """``hint`` is the beginning of the token."""

    id: int
    name: str
    scopes: list[Permission]
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime

    @classmethod
    def of(cls, token: ApiToken) -> "ApiTokenOut":
        return cls(
            id=token.id,
            name=token.name,
            scopes=token.scopes,
            hint=token.hint,
            created_at=token.created_at,
            last_used_at=token.last_used_at,
            expires_at=token.expires_at,
        )


class MintedTokenOut(ApiTokenOut):
    """``token`` is returned only once."""

    token: str


class PasswordChangeIn(Body):
    current_password: GivenPassword
    new_password: NewPassword


class PasswordForgottenIn(Body):
    email: Email


class PasswordResetIn(Body):
    token: Annotated[str, Field(min_length=1, max_length=200)]
    new_password: NewPassword
