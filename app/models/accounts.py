"""Accounts, their sessions and tokens, and the failures that slow attackers down."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Identity, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Timestamped

_NO_TIMES = text("'{}'::timestamptz[]")


class UserRow(Timestamped, Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role in ('user', 'admin')", name="role"),
        CheckConstraint(
            "title_language in ('romaji', 'english', 'japanese', 'russian')", name="title_language"
        ),
        CheckConstraint("list_visibility in ('private', 'public')", name="list_visibility"),
        Index("uq_users_username", text("lower(username)"), unique=True),
        Index("uq_users_email", text("lower(email)"), unique=True),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    username: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    full_name: Mapped[str | None] = mapped_column(Text)
    avatar: Mapped[str | None] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default="user")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    timezone: Mapped[str] = mapped_column(Text, server_default="UTC")
    title_language: Mapped[str] = mapped_column(Text, server_default="romaji")
    adult: Mapped[bool] = mapped_column(server_default=text("false"))
    list_visibility: Mapped[str] = mapped_column(Text, server_default="private")


class SessionRow(Base):
    """One signed-in device. Of its refresh tokens the current and the last spent one are kept, as SHA-256.

    The row is the session: what ends one deletes it, and its access tokens end with it.
    """

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    spent_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    spent_at: Mapped[datetime | None]
    device: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiTokenRow(Base):
    """A personal token for programs, kept as its SHA-256; ``hint`` is its harmless beginning."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class PasswordResetRow(Base):
    """The newest reset token of an account, as its SHA-256; used or replaced, it is gone."""

    __tablename__ = "password_resets"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]


class KnownAddressRow(Base):
    """Where an account signed in from; ``network`` is an IPv4 address or an IPv6 /64."""

    __tablename__ = "known_addresses"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    network: Mapped[str] = mapped_column(Text, primary_key=True)
    last_used_at: Mapped[datetime]


class ThrottleRow(Base):
    """Failed sign-ins of one key, and those being checked right now. Keys are hashes."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    failed: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=_NO_TIMES)
    pending: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=_NO_TIMES)
    expires_at: Mapped[datetime] = mapped_column(index=True)
