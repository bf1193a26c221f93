"""The services that sync lists with other services."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.config import Settings
from app.container.foundation import Foundation
from app.external.anilist.client import AniListClient
from app.external.anilist.lists import AniListLists
from app.external.anilist.oauth import ANILIST_OAUTH, AniListSignIn
from app.schemas.domain.sync import OAuthSettings
from app.schemas.events import EntryChanged
from app.services.sync.accounts import ServiceAccounts, SignIn
from app.services.sync.conflicts import ConflictService
from app.services.sync.lists import ListSync
from app.services.sync.schedule import SyncSchedule
from app.utils.redis.rate_limit import Rate, SharedLimiter

_CALLBACK = "/api/anilist/callback"
_SIGN_INS = Rate.of(per_second=5, per_minute=60)


@dataclass(frozen=True)
class SyncServices:
    accounts: ServiceAccounts
    conflicts: ConflictService
    lists: ListSync
    schedule: SyncSchedule
    anilist_oauth: OAuthSettings


@asynccontextmanager
async def build_sync(base: Foundation, anilist: AniListClient) -> AsyncIterator[SyncServices]:
    async with AsyncExitStack() as stack:
        sign_ins: dict[str, SignIn | None] = {"anilist": _anilist_sign_in(base, anilist, stack)}
        accounts = ServiceAccounts(base.db, base.jobs, base.encryption, sign_ins)
        schedule = SyncSchedule(base.db, base.jobs, accounts)
        base.events.react(EntryChanged, schedule.queue_pushes)
        yield SyncServices(
            accounts=accounts,
            conflicts=ConflictService(base.db),
            lists=ListSync(base.db, {"anilist": AniListLists(anilist)}, accounts),
            schedule=schedule,
            anilist_oauth=_oauth_settings(base.settings),
        )


def _oauth_settings(settings: Settings) -> OAuthSettings:
    return OAuthSettings(
        client_id=settings.anilist_client_id,
        client_secret_set=settings.anilist_client_secret is not None,
        redirect_uri=settings.public_base_url and settings.public_base_url + _CALLBACK,
    )


def _anilist_sign_in(base: Foundation, api: AniListClient, stack: AsyncExitStack) -> AniListSignIn | None:
    settings = base.settings
    if not (settings.anilist_client_id and settings.anilist_client_secret and settings.public_base_url):
        return None
    client = AniListSignIn(
        settings.anilist_oauth_url,
        api,
        client_id=settings.anilist_client_id,
        client_secret=settings.anilist_client_secret.get_secret_value(),
        redirect_uri=settings.public_base_url + _CALLBACK,
        limiter=SharedLimiter(ANILIST_OAUTH.name, _SIGN_INS, base.redis),
        transport=base.transport,
    )
    stack.push_async_callback(client.close)
    return client
