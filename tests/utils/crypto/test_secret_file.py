"""The secret of a home: random, private, and safe for concurrent first reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.utils.crypto.secret_file import read_or_make_secret


def test_a_secret_is_generated_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = read_or_make_secret(path)
    assert len(bytes.fromhex(secret)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make_secret(path) == secret
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_homes_have_different_secrets(tmp_path: Path) -> None:
    assert read_or_make_secret(tmp_path / "one") != read_or_make_secret(tmp_path / "two")


def test_open_permissions_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("of earlier days\n")
    path.chmod(0o644)
    assert read_or_make_secret(path) == "of earlier days"
    assert path.stat().st_mode & 0o777 == 0o600


def test_concurrent_first_reads_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        secrets = set(threads.map(read_or_make_secret, [tmp_path / "secret"] * 64))
    assert len(secrets) == 1
