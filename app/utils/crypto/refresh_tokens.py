"""Refresh tokens: opaque, verifiable without a database lookup, each with exactly one successor."""

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

_BODY, _TAG = 32, 18  # bytes; with the 16 of the session a multiple of 3, so base64 has no padding
_LENGTH = 16 + _BODY + _TAG


class RefreshTokens:
    """Issues tokens with ``secret``; also accepts those of ``previous``, so that the secret can be rotated.

    A token is the session id, a secret body and a MAC over both. The body of a successor is derived from
    that of its predecessor, so a client that repeats a refresh gets the same successor again although only
    hashes are stored.
    """

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        self._keys = [_derive_key(key) for key in (secret, previous) if key]

    def first(self, session_id: UUID) -> str:
        """A new random token that starts the chain of a session."""
        return self._sign(self._keys[0], session_id.bytes, secrets.token_bytes(_BODY))

    def successors(self, token: str) -> list[str]:
        """The valid successors of ``token``: by the current secret, then by the previous one."""
        raw = _decode(token)
        session, body = raw[:16], raw[16 : 16 + _BODY]
        return [self._sign(key, session, _mac(key, b"next", session + body)[:_BODY]) for key in self._keys]

    def session_of(self, token: str) -> UUID | None:
        """The session id of a genuine token, spent or not; None for any other text."""
        try:
            raw = _decode(token)
        except ValueError:
            return None
        if len(raw) != _LENGTH or _encode(raw) != token:
            return None
        signed, tag = raw[:-_TAG], raw[-_TAG:]
        if not any(hmac.compare_digest(tag, _mac(key, b"tag", signed)[:_TAG]) for key in self._keys):
            return None
        return UUID(bytes=raw[:16])

    def _sign(self, key: bytes, session: bytes, body: bytes) -> str:
        return _encode(session + body + _mac(key, b"tag", session + body)[:_TAG])


def digest(token: str) -> bytes:
    """The SHA-256 digest under which a secret token is stored."""
    return hashlib.sha256(token.encode()).digest()


def _derive_key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"refresh tokens", "sha256")


def _mac(key: bytes, purpose: bytes, message: bytes) -> bytes:
    return hmac.digest(key, purpose + b":" + message, "sha256")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decode(token: str) -> bytes:
    return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
