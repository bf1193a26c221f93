"""Schemas of accounts and profiles."""

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from app.schemas.core.fields import Body, Email, FullName, GivenPassword, NewPassword, Username
from app.schemas.domain.accounts import Account, Permission, Role, TitleLanguage, Visibility


def avatar_path(name: str | None) -> str | None:
    return None if name is None else f"/media/avatars/{name}"


class ProfileOut(BaseModel):
    """An account as shown to its owner and to operators."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    avatar: str | None
    role: Role
    permissions: list[Permission]
    is_active: bool
    created_at: datetime
    timezone: str
    title_language: TitleLanguage
    adult: bool
    list_visibility: Visibility

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
            timezone=account.timezone,
            title_language=account.title_language,
            adult=account.adult,
            list_visibility=account.list_visibility,
        )


class PublicProfileOut(BaseModel):
    """An account as shown to everyone."""

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


_LANGUAGES = {"en": "english", "ja": "japanese", "native": "japanese", "ru": "russian"}


def _language(given: Any) -> Any:
    word = given.lower() if isinstance(given, str) else given
    return _LANGUAGES.get(word, word) if isinstance(word, str) else word


@cache
def _time_zones() -> frozenset[str]:
    """Those of the tzdata package; files of this machine, such as ``localtime``, mean nothing on another."""
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split()) - {"Factory"}


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError("use an IANA time zone, like Europe/Berlin")
    return name


TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(_time_zone),
    Field(examples=["Europe/Berlin"]),
]


class ProfilePatch(Body):
    """Only the fields that are sent change. ``avatar`` accepts only null.

    A new picture is uploaded as a file.
    """

    username: Username | None = None
    full_name: FullName | None = None
    email: Email | None = None
    avatar: None = None
    current_password: GivenPassword | None = None
    timezone: TimeZone = "UTC"
    title_language: Annotated[TitleLanguage, BeforeValidator(_language)] = "romaji"
    adult: bool = False
    list_visibility: Visibility = "private"

    @field_validator("username")
    @classmethod
    def _keeps_name(cls, username: str | None) -> str:
        if username is None:
            raise ValueError("username cannot be removed")
        return username

    def values(self) -> dict[str, Any]:
        """The changed columns and their values."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"current_password"}}


class EraseIn(Body):
    password: GivenPassword


class UserIn(Body):
    """An account created by an operator."""

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
