"""Client for AniList's GraphQL API: errors may come with status 200, rate limits are read from headers."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import (
    AppError,
    NotFound,
    TokenRefused,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.external.anilist import queries
from app.external.anilist.mapping import MappingError, map_media, map_viewer
from app.external.base.client import JOB, USER, Client, Deadline, Limiter, Policy, Request
from app.logs import log
from app.schemas.domain.library import MediaType
from app.schemas.domain.media import UpstreamMedia
from app.schemas.domain.sync import RemoteAccount
from app.utils.metrics import UPSTREAM_ITEMS_SKIPPED
from app.utils.redis.rate_limit import Rate
from app.utils.text.cleaning import read_int

CHUNK = 500  # entries per chunk, AniList's maximum
_MAX_CHUNKS = 30  # AniList allows about 11,000 entries per user
# Calls per minute until headers state a limit, and for a while after calls within that limit were refused.
_DEFAULT_PER_MINUTE = 30
_MAX_PER_MINUTE = 90
_DISTRUST_TIME = 3600.0  # seconds for which the limit in the headers is not trusted after a 429
_PAUSE_AFTER_403 = 120.0  # seconds until the next call while the API is switched off
_PAUSE_AT_ZERO_REMAINING = 10.0  # seconds without calls after the headers said that none are left
_PAUSE_AFTER_429 = 60.0  # seconds without calls after a 429 in the body, as AniList requests


def _explain(status: int, body: Any) -> AppError | None:
    """The meaning of an error response, by its status and the GraphQL errors in it."""
    errors = body.get("errors") if isinstance(body, dict) else None
    message = _message(errors)
    if status == 401 or "invalid token" in message.lower():
        return TokenRefused()
    if status == 403:
        return UpstreamUnavailable(
            "AniList's API is switched off, or blocks our requests.",
            retry_after=_PAUSE_AFTER_403,
            details={"upstream": "anilist", "status": status},
        )
    return UpstreamRejected(f"AniList rejected the request: {message}") if status == 400 and errors else None


ANILIST = Policy("anilist", "AniList", explain=_explain)


def _rate(per_minute: int) -> Rate:
    return Rate.of(per_second=2, per_minute=per_minute)


ANILIST_RATE = _rate(_DEFAULT_PER_MINUTE)


class AniListClient(Client):
    """Every method raises ``NotFound`` if AniList has no such object, otherwise ``UpstreamFailure``.

    ``TokenRefused`` means that the user's token is no longer valid.
    """

    policy = ANILIST

    def __init__(self, base_url: str, *, limiter: Limiter, **parts: Any) -> None:
        super().__init__(base_url, limiter=limiter, **parts)
        self._limiter = limiter
        self._per_minute = _DEFAULT_PER_MINUTE
        self._distrusted_until = float("-inf")
        self._none_remaining = False

    async def get_media(
        self,
        media_type: MediaType,
        *,
        anilist_id: int | None = None,
        mal_id: int | None = None,
        deadline: Deadline = USER,
    ) -> UpstreamMedia:
        """One title by AniList id, or by MyAnimeList id if ``anilist_id`` is None."""
        key = {"id": anilist_id} if anilist_id is not None else {"idMal": mal_id}
        answer = await self._ask(queries.MEDIA, {**key, "type": media_type.upper()}, deadline)
        try:
            media = map_media(answer.get("Media"))
        except MappingError as fault:
            raise UpstreamError(f"AniList's response cannot be mapped: {fault}.") from fault
        if media.media_type != media_type or (anilist_id is not None and media.anilist_id != anilist_id):
            raise UpstreamError("AniList returned a different title than the requested one.")
        return media

    async def search(
        self, words: str, media_type: MediaType, *, limit: int, deadline: Deadline = USER
    ) -> list[UpstreamMedia]:
        """The best matches of this media type, best first."""
        variables = {"search": words, "type": media_type.upper(), "perPage": limit}
        return _media_of(await self._ask(queries.SEARCH, variables, deadline), media_type)[:limit]

    async def list_media(
        self,
        media_type: MediaType,
        *,
        anilist_ids: Sequence[int] = (),
        mal_ids: Sequence[int] = (),
        deadline: Deadline = JOB,
    ) -> list[UpstreamMedia]:
        """Up to 50 titles by AniList ids or by MyAnimeList ids; unknown ones are left out."""
        keys = {"ids": list(anilist_ids)} if anilist_ids else {"malIds": list(mal_ids)}
        return _media_of(
            await self._ask(queries.MEDIA_OF_IDS, {**keys, "type": media_type.upper()}, deadline), media_type
        )

    async def list_collection(
        self,
        media_type: MediaType,
        *,
        user_name: str | None = None,
        user_id: int | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        """A user's whole list of a media type in AniList's format, read in chunks of 500 entries.

        Entries repeated in custom lists are returned once. Raises ``NotFound`` if there is no such user.
        """
        key = {"userName": user_name} if user_name is not None else {"userId": user_id}
        collection: dict[str, Any] = {"lists": []}
        seen = set[int]()
        for chunk in range(1, _MAX_CHUNKS + 1):
            variables = {**key, "type": media_type.upper(), "chunk": chunk, "perChunk": CHUNK}
            answer = await self._ask(queries.COLLECTION, variables, JOB, token)
            found = answer.get("MediaListCollection")
            if not isinstance(found, dict) or not isinstance(found.get("lists"), list):
                raise UpstreamError("AniList's response has no list.")
            collection["lists"] += [
                _without_repeats(group, seen) for group in found["lists"] if isinstance(group, dict)
            ]
            collection.setdefault("user", found.get("user"))
            if found.get("hasNextChunk") is not True:
                return collection
        raise UpstreamError("AniList's list does not end.")

    async def list_entries(
        self, media_type: MediaType, media_ids: Sequence[int], account: RemoteAccount
    ) -> list[Any] | None:
        """The entries of up to 50 titles in AniList's format; None if AniList rejects the query."""
        variables = {"userId": account.remote_user_id, "type": media_type.upper(), "ids": list(media_ids)}
        try:
            answer = await self._ask(queries.ENTRIES, variables, JOB, account.token)
        except (NotFound, UpstreamError):
            return None
        found = answer.get("Page")
        entries = found.get("mediaList") if isinstance(found, dict) else None
        return entries if isinstance(entries, list) else None

    async def save_entry(self, fields: Mapping[str, Any], account: RemoteAccount) -> dict[str, Any]:
        """Add or update an entry, in AniList's format; returns the stored entry."""
        answer = await self._ask(queries.SAVE, fields, JOB, account.token)
        found = answer.get("SaveMediaListEntry")
        if not isinstance(found, dict):
            raise UpstreamError("AniList's response has no entry.")
        return found

    async def get_viewer(self, token: str) -> RemoteAccount:
        """The account that the token belongs to."""
        answer = await self._ask(queries.VIEWER, {}, USER, token)
        try:
            return map_viewer(answer.get("Viewer"), token)
        except MappingError as fault:
            raise UpstreamError(f"AniList's response cannot be mapped: {fault}.") from fault

    async def _ask(
        self, query: str, variables: Mapping[str, Any], deadline: Deadline, token: str | None = None
    ) -> dict[str, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = {"query": query, "variables": dict(variables)}
        try:
            answer = await self._upstream.ask(Request("", {}, body, headers=headers), deadline)
            if errors := answer.get("errors"):
                raise _failure(errors)
        except UpstreamUnavailable as failure:
            if (failure.details or {}).get("status") == 429:
                self._pace(_DEFAULT_PER_MINUTE, distrust=True)
            raise
        finally:
            if self._none_remaining:
                self._none_remaining = False
                await self._limiter.ban(_PAUSE_AT_ZERO_REMAINING)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise UpstreamError("AniList's response has no data.")
        return data

    def _on_headers(self, headers: Mapping[str, str]) -> None:
        """Adopt the rate limit of the headers, unless AniList recently refused calls within it."""
        limit = headers.get("x-ratelimit-limit", "")
        if limit.isdecimal() and time.monotonic() > self._distrusted_until:
            self._pace(min(max(int(limit), 1), _MAX_PER_MINUTE))
        self._none_remaining = headers.get("x-ratelimit-remaining") == "0"

    def _pace(self, per_minute: int, *, distrust: bool = False) -> None:
        if distrust:
            self._distrusted_until = time.monotonic() + _DISTRUST_TIME
        if per_minute != self._per_minute:
            self._per_minute = per_minute
            self._limiter.pace(_rate(per_minute))


def _media_of(answer: Mapping[str, Any], media_type: MediaType) -> list[UpstreamMedia]:
    """The titles of a page; those that cannot be mapped are skipped and logged."""
    page = answer.get("Page")
    found = page.get("media") if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise UpstreamError("AniList's response has no titles.")
    media = []
    for one in found:
        try:
            media.append(map_media(one, media_type))
        except MappingError as fault:
            UPSTREAM_ITEMS_SKIPPED.labels(ANILIST.name).inc()
            log.warning("anilist.item_skipped", reason=str(fault))
    return media


def _without_repeats(group: dict[str, Any], seen: set[int]) -> dict[str, Any]:
    """The list without entries whose ids are in ``seen``; adds the ids of the others to it."""
    listed, entries = group.get("entries"), []
    for entry in listed if isinstance(listed, list) else ():
        entry_id = read_int(entry.get("id"), low=1) if isinstance(entry, dict) else None
        if entry_id is None:
            entries.append(entry)
        elif entry_id not in seen:
            seen.add(entry_id)
            entries.append(entry)
    return {**group, "entries": entries}


def _failure(errors: Any) -> AppError:
    """The failure described by GraphQL errors in a response with status 200."""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    status, message = first.get("status"), _message(errors)
    if status == 404:
        return NotFound("AniList has no such object.")
    if status == 429:
        details = {"upstream": ANILIST.name, "status": 429}
        return UpstreamUnavailable(
            "AniList limits our requests.", retry_after=_PAUSE_AFTER_429, details=details
        )
    if isinstance(status, int) and (known := _explain(status, {"errors": errors})):
        return known
    if "invalid token" in message.lower():
        return TokenRefused()
    return UpstreamError(f"AniList returned an error: {message}", details={"upstream": ANILIST.name})


def _message(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    text = str(first.get("message") or "no reason given")
    if first.get("validation"):
        text += f" {first['validation']}"
    return text[:300]
