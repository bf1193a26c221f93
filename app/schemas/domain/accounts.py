"""Accounts: callers, permissions, sessions and tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

Role = Literal["user", "admin"]
Permission = Literal[
    "read:content", "write:content", "read:profile", "write:profile", "write:catalog", "admin:*"
]

TitleLanguage = Literal["romaji", "english", "japanese", "russian"]
Visibility = Literal["private", "public"]

_USER: frozenset[Permission] = frozenset(("read:content", "write:content", "read:profile", "write:profile"))
_ADMIN: frozenset[Permission] = _USER | frozenset(("write:catalog", "admin:*"))
PERMISSIONS: dict[Role, frozenset[Permission]] = {"user": _USER, "admin": _ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """The account behind a request; ``session_id`` is None for a personal API token.

    ``expires_at`` is when the credentials expire; a connection that outlives them must be closed. ``account``
    was read during authentication, so it is as current as the request.
    """

    user_id: int
    username: str
    role: Role
    permissions: frozenset[Permission]
    session_id: UUID | None = None
    expires_at: datetime | None = None
    account: "Account | None" = None

    @property
    def is_admin(self) -> bool:
        return "admin:*" in self.permissions


@dataclass(frozen=True, slots=True)
class Account:
    """``timezone`` is an IANA name; it decides when the user's days begin.

    ``adult``: show adult titles. ``list_visibility``: who may see the list.
    """

    id: int
    username: str
    email: str | None
    full_name: str | None
    avatar: str | None
    role: Role
    is_active: bool
    created_at: datetime
    timezone: str
    title_language: TitleLanguage
    adult: bool
    list_visibility: Visibility

    @property
    def permissions(self) -> frozenset[Permission]:
        return PERMISSIONS[self.role]


@dataclass(frozen=True, slots=True)
class Secrets:
    """Data to check a password; ``is_known_here``: the client's network signed in recently."""

    user_id: int
    username: str
    password_hash: str
    is_active: bool
    is_known_here: bool


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The client of a request. ``headers`` are added to the response, whether it succeeds or fails."""

    address: str
    network: str
    device: str | None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """``expires_in`` is the lifetime of the access token in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A personal API token. ``hint`` is its beginning; the whole token is shown only once."""

    id: int
    name: str
    scopes: list[Permission]
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    id: UUID
    device: str | None
    address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
