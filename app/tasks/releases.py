"""Jobs that poll AniLibria, link its releases, and notify the Node service."""

from app.container import Container
from app.schemas.release_jobs import LinkReleases, MirrorReleases, NotifyNode, PollReleases, SyncRelease
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(PollReleases)
async def poll_releases(_: PollReleases, services: Container, __: JobRun) -> None:
    await services.releases.following.poll()
    if await services.releases.following.is_mirror_due():
        await services.jobs.submit(MirrorReleases())


@handles(MirrorReleases)
async def mirror_releases(_: MirrorReleases, services: Container, __: JobRun) -> None:
    await services.releases.following.mirror()
    await services.jobs.submit(LinkReleases())


@handles(LinkReleases)
async def link_releases(_: LinkReleases, services: Container, __: JobRun) -> None:
    await services.releases.links.link()


@handles(SyncRelease)
async def sync_release(job: SyncRelease, services: Container, _: JobRun) -> None:
    await services.releases.following.sync(job.title_id, force=job.force)


@handles(NotifyNode)
async def notify_node(job: NotifyNode, services: Container, _: JobRun) -> None:
    await services.releases.node.notify(job)
