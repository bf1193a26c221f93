"""Rules for new passwords."""

import pytest

from app.errors import Invalid
from app.services.accounts.password_rules import _tried_first, check_new_password


@pytest.mark.parametrize(
    "password",
    [
        "x" * 7, "x" * 129, "password", "PassWord", "12345678", "87654321", "qwertyuiop", "asdfghjkl",
        "aaaaaaaa", "abababab", "123123123", "19900514", "14051990", "05141990", "iloveyou", "1q2w3e4r",
        "wonderful-mio", "mio-at-home", "abcdefgh", "ｐａｓｓｗｏｒｄ", "Password123", "12341234",
        "anisync1", "AniSync2026!", "animeanime",
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
        "correct horse", "пароль с пробелом", "🦊🦊🐙🦑🦐🦞🦀🐡", "a" * 60 + "b" * 68, "12345670", "20269999",
        "tab\tand\nline", "my favourite anime", "demo1234", "s3cret-pass", "' or 1=1 --", "\x00zeroes\x00",
    ],
)  # fmt: skip
def test_accepted(password: str) -> None:
    check_new_password(password, "mio", None)


# A sample of passwords common to the leaks of many services, from every part of the ranking.
@pytest.mark.parametrize(
    "password",
    [
        "12345678", "baseball", "trustno1", "jennifer", "superman", "michelle", "corvette", "computer",
        "whatever", "starwars", "midnight", "victoria", "marlboro", "iloveyou", "swordfish", "scorpion",
        "mountain", "password1", "qwerty123", "bullshit", "1q2w3e4r", "zaq12wsx", "letmein1", "dragon12",
        "football1", "liverpool1", "chocolate", "butterfly",
    ],
)  # fmt: skip
def test_common_passwords_are_rejected(password: str) -> None:
    with pytest.raises(Invalid):
        check_new_password(password.upper())


def test_thousands_are_known() -> None:
    known = _tried_first()
    assert len(known) >= 3000
    assert all(len(password) >= 8 and password == password.casefold() for password in known)


def test_the_field_can_have_another_name() -> None:
    with pytest.raises(Invalid) as refusal:
        check_new_password("short", field="new_password")
    assert refusal.value.details is not None
    assert list(refusal.value.details["fields"]) == ["new_password"]
