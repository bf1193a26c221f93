"""Which passwords are accepted."""

import pytest

from app.errors import Invalid
from app.services.password_rules import check_new_password


@pytest.mark.parametrize(
    "password",
    [
        "x" * 7, "x" * 129, "password", "PassWord", "12345678", "87654321", "qwertyuiop", "asdfghjkl",
        "aaaaaaaa", "abababab", "123123123", "19900514", "14051990", "05141990", "iloveyou", "1q2w3e4r",
        "wonderful-mio", "mio-at-home", "abcdefgh",
    ],
)  # fmt: skip
def test_refused(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_new_password(password, "Wonderful-Mio", "mio-at-home@example.org")
    assert refusal.value.details is not None
    assert list(refusal.value.details["fields"]) == ["password"]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse", "пароль с пробелом", "🦊🦊🐙🦑🦐🦞🦀🐡", "a" * 60 + "b" * 68, "12345679", "20269999",
        "tab\tand\nline", "' or 1=1 --", "\x00zeroes\x00",
    ],
)  # fmt: skip
def test_accepted(password: str) -> None:
    check_new_password(password, "mio", None)


def test_the_field_can_have_another_name() -> None:
    with pytest.raises(Invalid) as refusal:
        check_new_password("short", field="new_password")
    assert refusal.value.details is not None
    assert list(refusal.value.details["fields"]) == ["new_password"]
