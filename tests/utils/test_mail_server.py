"""URLs of mail servers: parsing and errors, without revealing the password."""

import pytest

from app.utils.mail_server import MailServer

READ = {
    "smtp://mail.example.org": MailServer("mail.example.org", 25, False),
    "smtp://mail.example.org:2525/": MailServer("mail.example.org", 2525, False),
    "smtps://mail.example.org": MailServer("mail.example.org", 465, True),
    "smtp://mio:p%40%2F%3A@mail.example.org:587": MailServer("mail.example.org", 587, False, "mio", "p@/:"),
    "smtps://mio%40example.org:x@[::1]:465": MailServer("::1", 465, True, "mio@example.org", "x"),
}


@pytest.mark.parametrize("url", READ)
def test_urls_are_parsed(url: str) -> None:
    assert MailServer.of(url) == READ[url]


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://mio:swordfish@",
        "smtp://mio:swordfish/1@mail.example.org",
        "smtp://mio:swordfish?1@mail.example.org",
        "smtp://mio:sword#fish@mail.example.org",
        "smtp://mail.example.org:99999",
        "smtp://mail.example.org:catfish",
        "smtp://[mail.example.org",
        "smtp://mio@mail.example.org",
        "smtp://:swordfish@mail.example.org",
        "smtp://mail.example.org?tls=no",
    ],
)
def test_an_invalid_url_is_reported_with_the_format(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://user:password@host:587") as fault:
        MailServer.of(url)
    assert "fish" not in str(fault.value)


def test_passwords_are_not_shown() -> None:
    assert "swordfish" not in repr(MailServer.of("smtp://mio:swordfish@mail.example.org"))
