"""Mails about accounts: over SMTP if configured, otherwise to the log; deletion of expired rows."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default

import pytest
import time_machine

from app.config import Settings
from app.container import Container, build
from app.errors import UpstreamError
from app.external.mail import Mailer
from app.schemas.domain.accounts import ClientInfo
from app.schemas.jobs import SendMail, TidyAccounts
from app.tasks import HANDLERS
from app.utils.db.database import Database
from tests.fixtures.accounts import PASSWORD, SignedIn

HERE = ClientInfo("192.0.2.1", "192.0.2.1", "tests")


class FakeMailServer:
    """A mail server that accepts everything, or rejects every recipient."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.mails: list[str] = []
        self.port = 0
        self._refuses = refuses

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip().upper():
            if line == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            refused = self._refuses and line.startswith("RCPT")
            writer.write(b"550 nobody here\r\n" if refused else b"250 fine\r\n")
            if line == "QUIT":  # with an unexpected response: the mail is sent nevertheless
                break
        writer.close()


@pytest.fixture
async def post_office() -> AsyncIterator[FakeMailServer]:
    office = FakeMailServer()
    server = await office.open()
    yield office
    server.close()


@pytest.mark.parametrize(
    "addresses",
    [
        {"public_base_url": "https://app.example.org"},
        {"app_url": "https://app.example.org/"},
        {"app_url": "https://app.example.org", "public_base_url": "https://api.example.org"},
    ],
    ids=["our page", "a front-end", "a front-end beside the API"],
)
async def test_a_reset_by_mail(
    settings: Settings,
    database: Database,
    post_office: FakeMailServer,
    user: SignedIn,
    addresses: dict[str, str],
) -> None:
    posting = Settings(
        **{
            **settings.model_dump(),
            "smtp_url": f"smtp://127.0.0.1:{post_office.port}",
            **addresses,
        },
        _env_file=None,
    )
    async with build(posting, db=database) as container:
        await container.accounts.passwords.forget(f"{user.username}@example.org", HERE)
        await run_mails(container)
        [mail] = post_office.mails
        assert f"To: {user.username}@example.org" in mail
        text = message_from_string(mail, policy=default).get_content()
        token = re.search(r"https://app\.example\.org/#reset=([\w-]{43})", text)
        assert token, mail
        await container.accounts.passwords.reset(token[1], "another horse 8", HERE)
        await run_mails(container)
        assert "Your password was changed" in post_office.mails[1]


async def run_mails(container: Container) -> None:
    for job in (await container.jobs.list(kind="accounts.mail", status="queued")).jobs:
        await container.accounts.mails.send(SendMail(**job.arguments))
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("update jobs set status = 'succeeded' where status = 'queued'")


async def test_without_a_server_mails_are_logged(
    container: Container, user: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    await container.accounts.mails.send(SendMail(user.id, "reset", "x"))
    assert "mail.not_sent" in caplog.text
    token = re.search(r"Token: ([\w-]{43})\b", caplog.text)
    assert token
    await container.accounts.passwords.reset(token[1], "another horse 8", HERE)


async def test_no_mail_is_sent_to_missing_or_inactive_accounts(
    container: Container, user: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    await container.accounts.mails.send(SendMail(0, "reset", "x"))
    nameless = await container.accounts.registration.create(
        username="no-address", email=None, password=PASSWORD
    )
    await container.accounts.mails.send(SendMail(nameless.id, "reset", "x"))
    assert "mail.not_sent" not in caplog.text


async def test_a_failing_mail_server_is_retried() -> None:
    office = FakeMailServer(refuses=True)
    server = await office.open()
    for port in (office.port, 9):
        with pytest.raises(UpstreamError):
            await Mailer(f"smtp://127.0.0.1:{port}", "x@example.org").send("y@example.org", "s", "t")
    server.close()


async def test_a_line_break_in_a_subject_injects_no_header(post_office: FakeMailServer) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{post_office.port}", "x@example.org")
    with pytest.raises(ValueError, match=r"(?i)header"):
        await mailer.send("y@example.org", "hello\nBcc: z@example.org", "text")


async def test_expired_rows_are_deleted(
    container: Container, settings: Settings, user: SignedIn, other_user: SignedIn
) -> None:
    principal = await container.accounts.authentication.authenticate(user.access_token)
    await container.accounts.tokens.mint(principal, name="x", scopes=["read:content"], days=1)
    await container.accounts.mails.send(SendMail(user.id, "reset", "x"))
    picture = settings.upload_folder / f"{'0' * 32}.webp"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"x")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        await container.accounts.sessions.sign_in(other_user.username, PASSWORD, HERE)
        os.utime(picture, (0, 0))
        await HANDLERS[TidyAccounts](TidyAccounts(), container, None)  # type: ignore[arg-type]
        for table in ("api_tokens", "password_resets"):
            assert await container.db.scalar(f"select count(*) from {table}") == 0
        assert await container.db.scalar("select array_agg(distinct user_id) from sessions") == [
            other_user.id
        ]
        assert await container.db.scalar("select count(*) from known_addresses") == 1
        assert not picture.exists()
