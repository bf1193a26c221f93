"""The composition root: the one place that calls constructors."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from redis.asyncio import Redis

from app.broker import JobBroker
from app.config import Settings
from app.external.anilist.client import ANILIST, ANILIST_RATE, AniListClient
from app.external.jikan.client import JIKAN, JIKAN_RATE, JikanClient
from app.external.mail import Mailer
from app.services.accounts import (
    AccountService,
    Blacklist,
    LoginThrottle,
    PasswordHasher,
    Reauthentication,
    TokenIssuer,
)
from app.services.accounts.avatars import AvatarService
from app.services.accounts.mails import MailService
from app.services.accounts.passwords import PasswordService
from app.services.accounts.sessions import SessionService
from app.services.accounts.tokens import TokenService
from app.services.accounts.users import UserService
from app.services.catalogue.anime import AnimeService
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.dumps import DumpService
from app.services.catalogue.events import CatalogueEvents
from app.services.catalogue.ingest import CatalogueIngest
from app.services.catalogue.jikan_proxy import JikanProxy
from app.services.catalogue.lookup import CatalogueLookup
from app.services.catalogue.missing_titles import MissingTitles
from app.services.catalogue.refresh_queue import RefreshQueue
from app.services.catalogue.sync import CatalogueSync
from app.services.health import HealthService
from app.services.idempotency import IdempotencyService
from app.services.jobs import JobQueue, JobService, JobTimings
from app.services.library import LibraryService
from app.services.library.anilist_refresh import AniListRefreshService
from app.services.library.downloads import Downloads
from app.services.library.exports import ExportService
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.services.library.stats import StatsService
from app.services.metrics import MetricsService
from app.services.recommendations import RecommendationService
from app.services.watching.collections import CollectionService
from app.services.watching.favorites import FavoriteService
from app.services.watching.progress import WatchService
from app.utils.background import start_loop
from app.utils.crypto.encryption import Encryption
from app.utils.crypto.jwt import AccessTokens
from app.utils.crypto.refresh_tokens import RefreshTokens
from app.utils.db import migrations
from app.utils.db.database import Database
from app.utils.redis.client import connect_redis
from app.utils.redis.negative_cache import NegativeCache
from app.utils.redis.quotas import Quotas
from app.utils.redis.rate_limit import Rate, SharedLimiter
from app.utils.redis.single_flight import SingleFlight


@dataclass(frozen=True)
class Container:
    """Everything that lives as long as the process. Services hold no state of a request."""

    settings: Settings
    db: Database
    redis: Redis
    accounts: AccountService
    anime: AnimeService
    avatars: AvatarService
    changes: CatalogueEvents
    collections: CollectionService
    dumps: DumpService
    exports: ExportService
    favorites: FavoriteService
    health: HealthService
    idempotency: IdempotencyService
    imports: ImportService
    item_refreshes: AniListRefreshService
    jikan: JikanProxy
    jobs: JobService
    library: LibraryService
    mails: MailService
    mal: CatalogueLookup
    metrics: MetricsService
    passwords: PasswordService
    quotas: Quotas
    recommendations: RecommendationService
    sessions: SessionService
    stats: StatsService
    sync: CatalogueSync
    tokens: TokenService
    users: UserService
    watching: WatchService


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    db: Database | None = None,
    queue: JobQueue | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    job_timings: JobTimings | None = None,
    jikan_rate: Rate = JIKAN_RATE,
) -> AsyncIterator[Container]:
    """Build the services on ``settings``; the keyword arguments replace a part in tests.

    ``queue`` carries job ids to the workers, ``transport`` answers in place of every upstream.
    """
    async with AsyncExitStack() as stack:
        db = db or _database(stack, settings)
        redis = connect_redis(settings.redis)
        stack.push_async_callback(redis.aclose)
        quotas, changes = Quotas(redis), CatalogueEvents(redis)
        jobs = JobService(db, queue or _queue(stack, settings), timings=job_timings)
        limiter = SharedLimiter(JIKAN.name, jikan_rate, redis)
        yield Container(
            settings=settings,
            db=db,
            redis=redis,
            **_people(stack, settings, db, redis, quotas, jobs),
            **_lists(settings, db, jobs, _anilist(stack, settings, redis, transport)),
            **_my_anime_list(stack, settings, db, redis, limiter, quotas, jobs, changes, transport),
            anime=AnimeService(db, changes.publish),
            changes=changes,
            dumps=DumpService(db, changed=changes.publish),
            health=_health(stack, settings, redis),
            jobs=jobs,
            metrics=_metrics(stack, db),
            quotas=quotas,
        )


def _database(stack: AsyncExitStack, settings: Settings) -> Database:
    db = Database.connect(
        settings.database,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        recycle=settings.db_pool_recycle,
        pre_ping=settings.db_pool_pre_ping,
    )
    stack.push_async_callback(db.close)
    return db


def _queue(stack: AsyncExitStack, settings: Settings) -> JobBroker:
    broker = JobBroker(settings.redis)
    stack.push_async_callback(broker.shutdown)
    return broker


def _people(
    stack: AsyncExitStack, settings: Settings, db: Database, redis: Redis, quotas: Quotas, jobs: JobService
) -> dict[str, Any]:
    """The services about accounts, by their names in the container."""
    hasher, issuer, blacklist = PasswordHasher(), issuer_of(settings), Blacklist(redis)
    stack.callback(hasher.close)
    throttle, avatars = LoginThrottle(db, quotas), AvatarService(settings.upload_folder)
    reauthentication = Reauthentication(db, hasher, throttle)
    return {
        "accounts": AccountService(db, issuer, hasher, quotas, blacklist),
        "avatars": avatars,
        "mails": MailService(db, _mailer(settings), base_url=settings.public_base_url),
        "passwords": PasswordService(db, hasher, reauthentication, quotas, jobs),
        "sessions": SessionService(db, issuer, hasher, throttle, blacklist, demo=settings.demo_user),
        "tokens": TokenService(db),
        "users": UserService(db, avatars, reauthentication, jobs),
    }


def _anilist(
    stack: AsyncExitStack, settings: Settings, redis: Redis, transport: httpx.AsyncBaseTransport | None
) -> AniListClient:
    limiter = SharedLimiter(ANILIST.name, ANILIST_RATE, redis)
    client = AniListClient(settings.anilist_base_url, limiter=limiter, transport=transport)
    stack.push_async_callback(client.close)
    return client


def _lists(settings: Settings, db: Database, jobs: JobService, anilist: AniListClient) -> dict[str, Any]:
    """The services about what a person keeps, by their names in the container."""
    library, downloads = LibraryService(db), Downloads()
    return {
        "collections": CollectionService(db),
        "exports": ExportService(db, downloads),
        "favorites": FavoriteService(db),
        "idempotency": IdempotencyService(db, encryption_of(settings)),
        "imports": ImportService(db, jobs, ListReader(), downloads),
        "item_refreshes": AniListRefreshService(library, anilist),
        "library": library,
        "recommendations": RecommendationService(db),
        "stats": StatsService(db),
        "watching": WatchService(db),
    }


def _my_anime_list(
    stack: AsyncExitStack,
    settings: Settings,
    db: Database,
    redis: Redis,
    limiter: SharedLimiter,
    quotas: Quotas,
    jobs: JobService,
    changes: CatalogueEvents,
    transport: httpx.AsyncBaseTransport | None,
) -> dict[str, Any]:
    """The services in front of MyAnimeList, by their names in the container."""
    client = JikanClient(settings.jikan_base_url, limiter=limiter, transport=transport)
    stack.push_async_callback(client.close)
    flights, refresh_queue = SingleFlight(redis), RefreshQueue(db, jobs)
    stack.push_async_callback(flights.close)
    stack.push_async_callback(refresh_queue.close)
    coalescer, absent = RequestCoalescer(flights, quotas), MissingTitles(NegativeCache(redis, "mal"))
    ingest = CatalogueIngest(db, changes)
    return {
        "jikan": JikanProxy(client, redis, absent=absent, coalescer=coalescer),
        "mal": CatalogueLookup(
            db, client, ingest=ingest, refresh_queue=refresh_queue, absent=absent, coalescer=coalescer
        ),
        "sync": CatalogueSync(db, client, jobs, ingest=ingest, refresh_queue=refresh_queue, absent=absent),
    }


def _health(stack: AsyncExitStack, settings: Settings, redis: Redis) -> HealthService:
    db = Database.connect(settings.database, pool_size=1, max_overflow=0, statement_timeout=1)
    stack.push_async_callback(db.close)
    health = HealthService(db, redis, wanted=migrations.wanted_revision())
    stack.push_async_callback(health.close)
    return health


def _metrics(stack: AsyncExitStack, db: Database) -> MetricsService:
    metrics = MetricsService(db)
    stack.push_async_callback(metrics.close)
    noting = start_loop(metrics.keep_noting, "figures of the pool")
    stack.callback(noting.cancel)
    return metrics


def _mailer(settings: Settings) -> Mailer:
    return Mailer(settings.smtp_url.get_secret_value() if settings.smtp_url else None, settings.mail_from)


def encryption_of(settings: Settings) -> Encryption:
    old = settings.secret_key_previous
    return Encryption(settings.secret, previous=old.get_secret_value() if old else None)


def issuer_of(settings: Settings) -> TokenIssuer:
    old = settings.secret_key_previous
    previous = old.get_secret_value() if old else None
    lifetime = timedelta(minutes=settings.access_token_expire_minutes)
    return TokenIssuer(
        access=AccessTokens(
            settings.secret, previous=previous, algorithm=settings.algorithm, lifetime=lifetime
        ),
        refresh=RefreshTokens(settings.secret, previous=previous),
        idle=timedelta(days=settings.refresh_token_expire_days),
        longest=timedelta(days=settings.session_max_days),
    )
