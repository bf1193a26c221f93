"""The user's AniList account: connecting it, imports, the two-way sync and its conflicts."""

import base64
import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.limits import limited_by_person
from app.api.openapi.failures import failures
from app.errors import (
    BadRequest,
    Conflict,
    RateLimited,
    UpstreamDisabled,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.schemas.core.jobs import QueuedJobOut
from app.schemas.fields import BigId
from app.schemas.tracker.anilist import (
    AniListImportIn,
    ClientSettingsOut,
    ConflictOut,
    ConnectionOut,
    ConnectUrlOut,
    ResolveIn,
)
from app.schemas.tracker.library import ItemDeletedOut
from app.schemas.tracker.sources import CacheStatsOut
from app.utils.redis.quotas import Quota

SYNCS = Quota("ordered syncs of a person", 30, 3600)
_SERVICE = "anilist"

# Notifies the page that opened the window; the message stays within our origin.
_SCRIPT = (
    'if (window.opener) { window.opener.postMessage({type: "anilist_connected"}, window.location.origin); '
    "window.close(); }"
)
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_CONNECTED = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AniSync</title></head>'
    "<body><p>Your AniList account is connected. You may close this window.</p>"
    f"<script>{_SCRIPT}</script></body></html>"
)
_POLICY = f"default-src 'none'; script-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"

router = idempotent_router("/api/anilist", "tracker: anilist")
callbacks = APIRouter(prefix="/api/anilist", tags=["tracker: anilist"], route_class=CheckedRoute)


class CallbackQuery(BaseModel):
    """The parameters of AniList's redirect: a ``code``, or an ``error`` if the user declined."""

    model_config = ConfigDict(extra="ignore")

    code: Annotated[str, Field(max_length=4096)] = ""
    state: Annotated[str, Field(max_length=512)] = ""
    error: Annotated[str, Field(max_length=512)] = ""
    error_description: Annotated[str, Field(max_length=2048)] = ""
    message: Annotated[str, Field(max_length=2048)] = ""
    hint: Annotated[str, Field(max_length=2048)] = ""


@router.get("/connect-url", responses=failures(UpstreamDisabled))
@access("session")
async def get_connect_url(user: CurrentUser, services: Services) -> ConnectUrlOut:
    """Get the AniList URL where you connect your account; valid once, for ten minutes."""
    accounts = services.sync.accounts
    url = await accounts.connect_url(user.user_id, _SERVICE, session_id=user.session_id)
    return ConnectUrlOut(url=url)


@callbacks.get(
    "/callback",
    response_class=Response,
    responses={
        200: {"description": "The account is connected.", "content": {"text/html": {}}},
        **failures(BadRequest, UpstreamDisabled, UpstreamError, UpstreamUnavailable, UpstreamTimeout),
    },
)
@access("public")
async def finish_connecting(query: Annotated[CallbackQuery, Query()], services: Services) -> Response:
    """Complete the connection after AniList's redirect.

    Returns a page that notifies the window that opened it.
    """
    await services.sync.accounts.complete(_SERVICE, query.state, query.code)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return Response(_CONNECTED, headers=headers, media_type="text/html")


@router.get("/status")
@access("read:content")
async def get_status(user: CurrentUser, services: Services) -> ConnectionOut:
    """Get whether an account is connected, until when, and the state of its sync."""
    return ConnectionOut.of(await services.sync.lists.describe(user.user_id, _SERVICE))


@router.post(
    "/import",
    status_code=202,
    dependencies=[limited_by_person(SYNCS)],
    responses=failures(BadRequest, Conflict, RateLimited),
)
@access("write:content")
async def start_import(
    user: CurrentUser, services: Services, body: AniListImportIn | None = None
) -> QueuedJobOut:
    """Import the list of one media type from the connected account as a background job.

    AniList is not changed.
    """
    kind = (body or AniListImportIn()).media_type
    return QueuedJobOut.of(
        await services.sync.schedule.order(user.user_id, _SERVICE, media_type=kind, only_fetch=True)
    )


@router.post(
    "/sync",
    status_code=202,
    dependencies=[limited_by_person(SYNCS)],
    responses=failures(BadRequest, Conflict, RateLimited),
)
@access("write:content")
async def start_sync(user: CurrentUser, services: Services) -> QueuedJobOut:
    """Sync in both directions now, as a background job; after that it happens automatically."""
    return QueuedJobOut.of(await services.sync.schedule.order(user.user_id, _SERVICE))


@router.get("/conflicts")
@access("read:content")
async def list_conflicts(
    user: CurrentUser, services: Services, page: Paging, request: Request, response: Response
) -> list[ConflictOut]:
    """List fields that were changed on both sides, newest first, with both values."""
    found, total = await services.sync.conflicts.list(
        user.user_id, _SERVICE, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ConflictOut.of(conflict) for conflict in found]


@router.post("/conflicts/{conflict_id}/resolve")
@access("write:content")
async def resolve_conflict(
    conflict_id: Annotated[BigId, Path()], body: ResolveIn, user: CurrentUser, services: Services
) -> ConflictOut:
    """Resolve a conflict: the value of the chosen side is stored on both."""
    return ConflictOut.of(
        await services.sync.conflicts.resolve(user.user_id, _SERVICE, conflict_id, use=body.use)
    )


@router.get("/debug-config")
@access("read:content")
async def get_oauth_settings(_: CurrentUser, services: Services) -> ClientSettingsOut:
    """Get the OAuth client of this installation, to find out why connecting fails; never its secret."""
    return ClientSettingsOut.of(services.sync.anilist_oauth)


@router.get("/stats")
@access("admin:*")
async def get_cache_stats(services: Services) -> CacheStatsOut:
    """Get the hit rate of the cache of AniList's responses."""
    return CacheStatsOut.of(await services.sources.cache_counts())


@router.post("/backfill", status_code=202)
@access("admin:*")
async def start_backfill(user: CurrentUser, services: Services) -> QueuedJobOut:
    """Fill in missing totals and AniList ids of entries without a catalogue title, as a background job."""
    return QueuedJobOut.of(await services.library.backfill.order(user.user_id))


@router.delete("")
@access("session")
async def disconnect(user: CurrentUser, services: Services) -> ItemDeletedOut:
    """Disconnect the account and delete its token; your list stays. Succeeds if none is connected."""
    await services.sync.accounts.disconnect(user.user_id, _SERVICE)
    return ItemDeletedOut()
