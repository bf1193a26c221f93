"""Who is calling, and what they may do."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Role = Literal["user", "admin"]
Permission = Literal[
    "read:content", "write:content", "read:profile", "write:profile", "write:catalog", "admin:*"
]

_USER: frozenset[Permission] = frozenset(("read:content", "write:content", "read:profile", "write:profile"))
_ADMIN: frozenset[Permission] = _USER | frozenset(("write:catalog", "admin:*"))
PERMISSIONS: dict[Role, frozenset[Permission]] = {"user": _USER, "admin": _ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """The account behind a request; ``session_id`` is None for a personal API token."""

    user_id: int
    username: str
    role: Role
    permissions: frozenset[Permission]
    session_id: UUID | None = None

    @property
    def is_admin(self) -> bool:
        return "admin:*" in self.permissions
