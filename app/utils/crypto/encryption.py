"""Encryption at rest with keys that are derived from the application's secret."""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes


class Encryption:
    """Encrypts with ``secret``; reads what was encrypted with ``previous`` too, so that it can be replaced.

    ``purpose`` separates uses: what was encrypted for one cannot be read for another.
    """

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        self._secrets = [one.encode() for one in (secret, previous) if one]

    def encrypt(self, content: bytes, purpose: str) -> bytes:
        """AES-256-GCM: 28 bytes longer than ``content``."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(_key(self._secrets[0], purpose)).encrypt(nonce, content, None)

    def decrypt(self, stored: bytes, purpose: str) -> bytes:
        """The content; ValueError where it was encrypted with another secret or for another purpose."""
        for secret in self._secrets:
            try:
                return AESGCM(_key(secret, purpose)).decrypt(stored[:_NONCE], stored[_NONCE:], None)
            except InvalidTag:
                continue
        raise ValueError(f"this was not encrypted for {purpose!r} with a secret of ours")

    def is_current(self, stored: bytes, purpose: str) -> bool:
        """Whether it was encrypted with the secret of today, not with the one before."""
        try:
            AESGCM(_key(self._secrets[0], purpose)).decrypt(stored[:_NONCE], stored[_NONCE:], None)
        except InvalidTag:
            return False
        return True

    def fingerprints(self, content: bytes, purpose: str) -> list[bytes]:
        """32 bytes that stand for ``content`` and tell nothing of it: by the secret, then by the previous."""
        return [hmac.digest(_key(secret, purpose), content, "sha256") for secret in self._secrets]


def _key(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"encryption:{purpose}".encode(), "sha256")
