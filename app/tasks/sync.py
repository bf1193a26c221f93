"""Jobs that sync lists with other services."""

from app.container import Container
from app.schemas.jobs import PushList, SyncDue, SyncList, TendAccounts
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(SyncList)
async def sync_list(job: SyncList, services: Container, run: JobRun) -> None:
    await services.sync.lists.sync(job, run)


@handles(PushList)
async def push_list(job: PushList, services: Container, run: JobRun) -> None:
    await services.sync.lists.push(job, run)


@handles(SyncDue)
async def sync_due(_: SyncDue, services: Container, __: JobRun) -> None:
    await services.sync.schedule.queue_due()


@handles(TendAccounts)
async def tend_accounts(_: TendAccounts, services: Container, __: JobRun) -> None:
    await services.sync.accounts.maintain_tokens()
