"""The library services: list, imports and exports, progress, favourites, collections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.external.anilist.client import ANILIST, ANILIST_RATE, AniListClient
from app.services.library import LibraryService
from app.services.library.anilist_refresh import AniListRefreshService
from app.services.library.downloads import Downloads
from app.services.library.exports import ExportService
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.services.library.stats import StatsService
from app.services.watching.collections import CollectionService
from app.services.watching.favorites import FavoriteService
from app.services.watching.progress import WatchService
from app.utils.redis.rate_limit import SharedLimiter


@dataclass(frozen=True)
class LibraryServices:
    anilist_refresh: AniListRefreshService
    entries: LibraryService
    exports: ExportService
    imports: ImportService
    stats: StatsService


@dataclass(frozen=True)
class WatchingServices:
    collections: CollectionService
    favorites: FavoriteService
    progress: WatchService


@asynccontextmanager
async def build_library(base: Foundation) -> AsyncIterator[LibraryServices]:
    limiter = SharedLimiter(ANILIST.name, ANILIST_RATE, base.redis)
    anilist = AniListClient(base.settings.anilist_base_url, limiter=limiter, transport=base.transport)
    entries, downloads = LibraryService(base.db), Downloads()
    try:
        yield LibraryServices(
            anilist_refresh=AniListRefreshService(entries, anilist),
            entries=entries,
            exports=ExportService(base.db, downloads),
            imports=ImportService(base.db, base.jobs, ListReader(), downloads),
            stats=StatsService(base.db),
        )
    finally:
        await anilist.close()


@asynccontextmanager
async def build_watching(base: Foundation) -> AsyncIterator[WatchingServices]:
    yield WatchingServices(
        collections=CollectionService(base.db),
        favorites=FavoriteService(base.db),
        progress=WatchService(base.db),
    )
