"""Jobs about accounts: mail and housekeeping."""

from app.container import Container
from app.schemas.jobs import SendMail, TidyAccounts
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(SendMail)
async def send_mail(job: SendMail, services: Container, _: JobRun) -> None:
    await services.accounts.mails.send(job)


@handles(TidyAccounts)
async def tidy_accounts(_: TidyAccounts, services: Container, __: JobRun) -> None:
    await services.accounts.users.tidy()
