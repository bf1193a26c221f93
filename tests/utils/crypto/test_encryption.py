"""Encryption at rest: only the right secret and purpose decrypt."""

import pytest

from app.utils.crypto.encryption import Encryption

SECRET = "a secret of tests, longer than 32 bytes"
OTHER = "another secret, longer than 32 bytes too"


def test_ciphertext_decrypts_and_reveals_nothing() -> None:
    encryption = Encryption(SECRET)
    for content in (b"", b"a link", bytes(range(256)) * 1000):
        stored = encryption.encrypt(content, "a purpose")
        assert encryption.decrypt(stored, "a purpose") == content
        assert not content or content not in stored
        assert stored != encryption.encrypt(content, "a purpose")


def test_the_secret_can_be_rotated() -> None:
    stored = Encryption(OTHER).encrypt(b"content", "p")
    assert Encryption(SECRET, previous=OTHER).decrypt(stored, "p") == b"content"
    [old] = Encryption(OTHER).fingerprints(b"content", "p")
    assert Encryption(SECRET, previous=OTHER).fingerprints(b"content", "p")[1] == old


def test_other_secrets_and_purposes_cannot_decrypt() -> None:
    stored = Encryption(SECRET).encrypt(b"content", "p")
    for encryption, altered, purpose in (
        (Encryption(OTHER), stored, "p"),
        (Encryption(SECRET), stored, "q"),
        (Encryption(SECRET), stored[:-1] + bytes([stored[-1] ^ 1]), "p"),
    ):
        with pytest.raises(ValueError, match="not encrypted for"):
            encryption.decrypt(altered, purpose)
