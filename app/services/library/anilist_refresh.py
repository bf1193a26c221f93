"""Refresh an item of a user's library from AniList."""

from typing import Any

from app.errors import Conflict
from app.external.anilist.client import AniListClient
from app.schemas.domain.library import Entry, RenderedEntry
from app.schemas.domain.media import UpstreamMedia
from app.services.library import LibraryService, Operation, Target
from app.utils.redis.quotas import Quota

# AniList allows 30 calls per minute for the whole installation
REFRESHES = Quota("item refreshes of a person", 10, 60)

_ORIGIN = "anilist"


class NoUpstreamId(Conflict):
    default_message = "This item has neither an AniList id nor a MyAnimeList id, so AniList cannot be asked."


class AniListRefreshService:
    def __init__(self, library: LibraryService, client: AniListClient) -> None:
        self._library = library
        self._client = client

    async def refresh(self, user_id: int, entry_id: int) -> RenderedEntry:
        """Update title, cover, format, URL and total from AniList; missing values are kept.

        Raises ``NotOnList``, :class:`NoUpstreamId`, ``NotFound`` if AniList does not have the title, or an
        ``UpstreamFailure``; then nothing has changed.
        """
        target = Target(entry_id=entry_id)
        entry = await self._library.get(user_id, target)
        subject = entry.subject
        if subject.anilist_id is None and subject.mal_id is None:
            raise NoUpstreamId
        media = await self._client.get_media(
            subject.media_type, anilist_id=subject.anilist_id, mal_id=subject.mal_id
        )
        return await self._library.edit(
            user_id, Operation("update", target, _changes(media, entry)), origin=_ORIGIN, shape="tracker"
        )


def _changes(media: UpstreamMedia, entry: Entry) -> dict[str, Any]:
    told = {
        "title": media.title,
        "cover_url": media.image_url,
        "format": media.format,
        "site_url": media.site_url,
    }
    changes: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    # AniList's total may be lower than the user's progress, which is kept
    if media.total is not None and media.total >= entry.state.progress:
        changes["max_progress"] = media.total
    return changes
