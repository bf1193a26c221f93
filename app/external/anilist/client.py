"""AniList's GraphQL: one address, and failures that may come with status 200."""

from collections.abc import Mapping
from typing import Any

from app.errors import NotFound, UpstreamError
from app.external.anilist.mapping import MappingError, map_media
from app.external.anilist.queries import MEDIA
from app.external.base.client import USER, Client, Deadline, Policy
from app.schemas.domain.library import MediaType
from app.schemas.domain.media import UpstreamMedia
from app.utils.redis.rate_limit import Rate

ANILIST = Policy("anilist", "AniList")
ANILIST_RATE = Rate.of(per_second=2, per_minute=30)  # its headers have promised more and not kept it


class AniListClient(Client):
    """Every method raises ``NotFound`` where AniList has nothing, and else an ``UpstreamFailure``."""

    policy = ANILIST

    async def get_media(
        self,
        media_type: MediaType,
        *,
        anilist_id: int | None = None,
        mal_id: int | None = None,
        deadline: Deadline = USER,
    ) -> UpstreamMedia:
        """One title by AniList's id or, where that is not given, by MyAnimeList's."""
        key = {"id": anilist_id} if anilist_id is not None else {"idMal": mal_id}
        answer = await self._ask(MEDIA, {**key, "type": media_type.upper()}, deadline)
        try:
            media = map_media(answer.get("Media"))
        except MappingError as fault:
            raise UpstreamError(f"AniList's answer cannot be understood: {fault}.") from fault
        if media.media_type != media_type or (anilist_id is not None and media.anilist_id != anilist_id):
            raise UpstreamError("AniList answered with another title than the one it was asked for.")
        return media

    async def _ask(self, query: str, variables: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        answer = await self._upstream.post({"query": query, "variables": variables}, deadline=deadline)
        if errors := answer.get("errors"):
            raise _failure(errors)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise UpstreamError("AniList's answer has no data.")
        return data


def _failure(errors: Any) -> NotFound | UpstreamError:
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
    if first.get("status") == 404:
        return NotFound("AniList has no such title.")
    said = str(first.get("message", "no reason given"))[:200]
    return UpstreamError(f"AniList answered with an error: {said}", details={"upstream": ANILIST.name})
