"""Accounts with their sessions and tokens, and the counters of failed sign-ins."""

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
    """One signed-in device, with the SHA-256 of its current and its last spent refresh token.

    Ending a session deletes the row, which also invalidates its access tokens.
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
    """A personal API token, stored as SHA-256; ``hint`` is its first characters, for display."""

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
    """The latest password reset token of an account, stored as SHA-256; deleted when used or replaced."""

    __tablename__ = "password_resets"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]


class KnownAddressRow(Base):
    """A network an account has signed in from: an IPv4 address or an IPv6 /64."""

    __tablename__ = "known_addresses"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    network: Mapped[str] = mapped_column(Text, primary_key=True)
    last_used_at: Mapped[datetime]


class ThrottleRow(Base):
    """Times of failed sign-ins of a key, and of those being checked right now. Keys are hashes."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    failed: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=_NO_TIMES)
    pending: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=_NO_TIMES)
    expires_at: Mapped[datetime] = mapped_column(index=True)
