"""Schemas of registration, sign-in and token refresh."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.schemas.core.fields import Body, Email, FullName, GivenPassword, NewPassword, Username
from app.schemas.domain.accounts import TokenPair

RefreshToken = Annotated[str, Field(min_length=1, max_length=4096)]
Identifier = Annotated[str, Field(min_length=1, max_length=320)]


class RegisterIn(Body):
    email: Email
    password: NewPassword
    username: Username | None = None
    full_name: FullName | None = None


class LoginIn(Body):
    """The account by user name or e-mail, in any one of three fields."""

    email: Identifier | None = None
    username: Identifier | None = None
    login: Identifier | None = None
    password: GivenPassword

    @model_validator(mode="after")
    def _has_identifier(self) -> "LoginIn":
        if not self.identifier:
            raise ValueError("give email, username or login")
        return self

    @property
    def identifier(self) -> str:
        return self.email or self.username or self.login or ""


class RefreshIn(Body):
    refresh_token: RefreshToken


class LogoutIn(Body):
    refresh_token: RefreshToken | None = None


class TokensOut(BaseModel):
    """``expires_in`` is the lifetime of the access token in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int

    @classmethod
    def of(cls, tokens: TokenPair) -> "TokensOut":
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
        )
