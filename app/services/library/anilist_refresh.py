"""Items of a person's library brought up to date from AniList."""

from typing import Any

from app.errors import Conflict
from app.external.anilist.client import AniListClient
from app.schemas.domain.library import Entry, RenderedEntry
from app.schemas.domain.media import UpstreamMedia
from app.services.library import LibraryService, Operation, Target
from app.utils.redis.quotas import Quota

# AniList answers 30 calls a minute of all persons together
REFRESHES = Quota("item refreshes of a person", 10, 60)

_ORIGIN = "anilist"


class NothingToAskFor(Conflict):
    default_message = "This item has neither an AniList id nor a MyAnimeList id, so AniList cannot be asked."


class AniListRefreshService:
    def __init__(self, library: LibraryService, client: AniListClient) -> None:
        self._library = library
        self._client = client

    async def refresh(self, user_id: int, entry_id: int) -> RenderedEntry:
        """Take title, cover and total from AniList; what it does not know stays.

        Raises ``NotOnList``, :class:`NothingToAskFor`, ``NotFound`` where AniList has no such title, or an
        ``UpstreamFailure``; then nothing has changed.
        """
        target = Target(entry_id=entry_id)
        entry = await self._library.get(user_id, target)
        subject = entry.subject
        if subject.anilist_id is None and subject.mal_id is None:
            raise NothingToAskFor
        media = await self._client.get_media(
            subject.media_type, anilist_id=subject.anilist_id, mal_id=subject.mal_id
        )
        return await self._library.edit(
            user_id, Operation("update", target, _news(media, entry)), origin=_ORIGIN, shape="tracker"
        )


def _news(media: UpstreamMedia, entry: Entry) -> dict[str, Any]:
    news: dict[str, Any] = {"title": media.title}
    if media.image_url is not None:
        news["cover_url"] = media.image_url
    # AniList may count fewer than the person has seen; what was seen stands
    if media.total is not None and media.total >= entry.state.progress:
        news["max_progress"] = media.total
    return news
