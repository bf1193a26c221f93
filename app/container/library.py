"""The library services: list, imports and exports, progress, favourites, collections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.external.anilist.client import AniListClient
from app.services.library import LibraryService
from app.services.library.anilist_imports import AniListImportService
from app.services.library.anilist_refresh import AniListRefreshService
from app.services.library.backfill import BackfillService
from app.services.library.downloads import Downloads
from app.services.library.exports import ExportService
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.services.library.stats import StatsService
from app.services.watching.collections import CollectionService
from app.services.watching.favorites import FavoriteService
from app.services.watching.progress import WatchService


@dataclass(frozen=True)
class LibraryServices:
    anilist_imports: AniListImportService
    anilist_refresh: AniListRefreshService
    backfill: BackfillService
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
async def build_library(base: Foundation, anilist: AniListClient) -> AsyncIterator[LibraryServices]:
    entries, downloads, reader = LibraryService(base.db), Downloads(), ListReader()
    imports = ImportService(base.db, base.jobs, reader, downloads)
    yield LibraryServices(
        anilist_imports=AniListImportService(base.db, base.jobs, anilist, imports, reader),
        anilist_refresh=AniListRefreshService(entries, anilist),
        backfill=BackfillService(base.db, base.jobs, anilist),
        entries=entries,
        exports=ExportService(base.db, downloads),
        imports=imports,
        stats=StatsService(base.db),
    )


@asynccontextmanager
async def build_watching(base: Foundation) -> AsyncIterator[WatchingServices]:
    yield WatchingServices(
        collections=CollectionService(base.db, base.encryption),
        favorites=FavoriteService(base.db),
        progress=WatchService(base.db),
    )
