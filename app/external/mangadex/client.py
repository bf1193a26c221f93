"""MangaDex's search, mapped to suggestions."""

from typing import Any

from app.errors import NotFound, UpstreamError
from app.external.base.client import USER, Client, Deadline, Policy
from app.logs import log
from app.schemas.domain.sources import Suggestion
from app.schemas.limits import MAX_PROGRESS
from app.utils.metrics import UPSTREAM_ITEMS_SKIPPED
from app.utils.redis.rate_limit import Rate
from app.utils.text.cleaning import clean_int, clean_text

MANGADEX = Policy("mangadex", "MangaDex")
MANGADEX_RATE = Rate.of(per_second=5, per_minute=240)
_COVERS = "https://uploads.mangadex.org/covers"
_MAX_TITLE_LENGTH = 500


class MangaDexClient(Client):
    """Every method raises ``UpstreamFailure``."""

    policy = MANGADEX

    async def search(self, words: str, *, limit: int, deadline: Deadline = USER) -> list[Suggestion]:
        """The best matches, best first; items that cannot be mapped are left out."""
        query: dict[str, str | int] = {
            "title": words,
            "limit": limit,
            "includes[]": "cover_art",
            "order[relevance]": "desc",
        }
        try:
            answer = await self._upstream.get("manga", query=query, deadline=deadline)
        except NotFound as failure:  # a search without results is an empty list, not a 404
            raise UpstreamError("MangaDex's API is not at this address.") from failure
        found = answer.get("data")
        if not isinstance(found, list):
            raise UpstreamError("MangaDex's response has no list.")
        mapped = [map_manga(one) for one in found]
        if skipped := mapped.count(None):
            UPSTREAM_ITEMS_SKIPPED.labels(MANGADEX.name).inc(skipped)
            log.warning("mangadex.items_skipped", number=skipped)
        return [one for one in mapped if one is not None][:limit]


def map_manga(raw: Any) -> Suggestion | None:
    """Map a manga; None if it has no id or no title.

    Empty objects may be arrays or null in MangaDex's JSON.
    """
    entity = _as_object(raw)
    attributes, manga_id = _as_object(entity.get("attributes")), clean_text(entity.get("id"))
    title = _title(attributes)
    if manga_id is None or title is None:
        return None
    links = _as_object(attributes.get("links"))
    return Suggestion(
        id=manga_id,
        source="mangadex",
        title=title[:_MAX_TITLE_LENGTH],
        media_type="manga",
        cover_url=_cover(manga_id, entity.get("relationships")),
        chapters=_chapter_count(attributes.get("lastChapter")),
        anilist_id=_read_id(links.get("al")),
        mal_id=_read_id(links.get("mal")),
        format=None,
        site_url=f"https://mangadex.org/title/{manga_id}",
    )


def _title(attributes: dict[str, Any]) -> str | None:
    """The English title, otherwise the first in any language."""
    titles = _as_object(attributes.get("title"))
    named = [titles.get("en"), *titles.values()]
    others = attributes.get("altTitles")
    for other in others if isinstance(others, list) else ():
        named += _as_object(other).values()
    return next((text for text in map(clean_text, named) if text), None)


def _cover(manga_id: str, relationships: Any) -> str | None:
    for one in relationships if isinstance(relationships, list) else ():
        relation = _as_object(one)
        name = clean_text(_as_object(relation.get("attributes")).get("fileName"))
        if relation.get("type") == "cover_art" and name and "/" not in name:
            return f"{_COVERS}/{manga_id}/{name}.256.jpg"
    return None


def _chapter_count(raw: Any) -> int | None:
    """The whole part of a chapter number; None if it is unknown or not a number."""
    digits = (clean_text(raw) or "").partition(".")[0]
    return clean_int(int(digits), 1, MAX_PROGRESS) if digits.isdecimal() and len(digits) < 9 else None


def _read_id(raw: Any) -> int | None:
    text = clean_text(raw) or ""
    return clean_int(int(text), low=1) if text.isdecimal() and len(text) < 11 else None


def _as_object(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}
