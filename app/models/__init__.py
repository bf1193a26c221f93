"""The database tables."""

from app.models.accounts import (
    ApiTokenRow,
    KnownAddressRow,
    PasswordResetRow,
    SessionRow,
    ThrottleRow,
    UserRow,
)
from app.models.anime import AnimeNamesRow, AnimeRow, AnimeSyncRow, CatalogueVersionRow, GenreRow, StudioRow
from app.models.base import Base
from app.models.events import EventRow
from app.models.jobs import JobRow, ScheduleRow
from app.models.library import (
    ActivityDayRow,
    CollectionItemRow,
    CollectionRow,
    EntryChangeRow,
    EntryRow,
    FavoriteRow,
    IdempotencyRow,
    ImportReportRow,
    ImportRow,
    TombstoneRow,
    ViewRow,
    WatchProgressRow,
)
from app.models.manga import MangaRow
from app.models.recommendations import (
    IgnoredRecommendationRow,
    OpenRatingsRow,
    RecommendationModelRow,
    SimilarTitlesRow,
)
from app.models.relations import RelationCountRow, RelationRow
from app.models.releases import EpisodeRow, PollRow, ReleaseRow, UpstreamAnswerRow
from app.models.sync import OAuthStateRow, ServiceLinkRow, SyncConflictRow, SyncSnapshotRow

__all__ = [
    "ActivityDayRow",
    "AnimeNamesRow",
    "AnimeRow",
    "AnimeSyncRow",
    "ApiTokenRow",
    "Base",
    "CatalogueVersionRow",
    "CollectionItemRow",
    "CollectionRow",
    "EntryChangeRow",
    "EntryRow",
    "EpisodeRow",
    "EventRow",
    "FavoriteRow",
    "GenreRow",
    "IdempotencyRow",
    "IgnoredRecommendationRow",
    "ImportReportRow",
    "ImportRow",
    "JobRow",
    "KnownAddressRow",
    "MangaRow",
    "OAuthStateRow",
    "OpenRatingsRow",
    "PasswordResetRow",
    "PollRow",
    "RecommendationModelRow",
    "RelationCountRow",
    "RelationRow",
    "ReleaseRow",
    "ScheduleRow",
    "ServiceLinkRow",
    "SessionRow",
    "SimilarTitlesRow",
    "StudioRow",
    "SyncConflictRow",
    "SyncSnapshotRow",
    "ThrottleRow",
    "TombstoneRow",
    "UpstreamAnswerRow",
    "UserRow",
    "ViewRow",
    "WatchProgressRow",
]
