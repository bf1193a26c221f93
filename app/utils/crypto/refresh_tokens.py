"""Refresh tokens: opaque, known to be ours without a look-up, each leading to one successor."""

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

_BODY, _TAG = 32, 18  # bytes; with the session they fill base64 without spare bits
_LENGTH = 16 + _BODY + _TAG


class RefreshTokens:
    """Makes tokens with ``secret``; knows those of ``previous`` too, so that a secret can be replaced.

    A token is the session, a secret body, and a tag that proves that we made it. The body of a successor
    is derived from its predecessor's, so whoever shows the predecessor again can be given the same
    successor although nothing readable is stored.
    """

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        self._keys = [_derived(key) for key in (secret, previous) if key]

    def first(self, session_id: UUID) -> str:
        return self._sealed(self._keys[0], session_id.bytes, secrets.token_bytes(_BODY))

    def successors(self, token: str) -> list[str]:
        """What may follow ``token``: the one we would make now, and the one made before a new secret."""
        raw = _decoded(token)
        session, body = raw[:16], raw[16 : 16 + _BODY]
        return [self._sealed(key, session, _mac(key, b"next", session + body)[:_BODY]) for key in self._keys]

    def session_of(self, token: str) -> UUID | None:
        """The session of a token that we made, whether or not it was spent since; None for any other text."""
        try:
            raw = _decoded(token)
        except ValueError:
            return None
        if len(raw) != _LENGTH or _encoded(raw) != token:
            return None
        sealed, tag = raw[:-_TAG], raw[-_TAG:]
        if not any(hmac.compare_digest(tag, _mac(key, b"tag", sealed)[:_TAG]) for key in self._keys):
            return None
        return UUID(bytes=raw[:16])

    def _sealed(self, key: bytes, session: bytes, body: bytes) -> str:
        return _encoded(session + body + _mac(key, b"tag", session + body)[:_TAG])


def digest(token: str) -> bytes:
    """What is stored of a secret token."""
    return hashlib.sha256(token.encode()).digest()


def _derived(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"refresh tokens", "sha256")


def _mac(key: bytes, purpose: bytes, message: bytes) -> bytes:
    return hmac.digest(key, purpose + b":" + message, "sha256")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decoded(token: str) -> bytes:
    return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
