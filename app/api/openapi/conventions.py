"""Conventions of the whole API: the introduction of the document, tags and permissions."""

from app.schemas.domain.accounts import Permission

TAGS = {
    "operations": "Health checks and metrics.",
    "auth": "Registration, sign-in, token refresh, sign-out; sessions, passwords and API tokens.",
    "users": "Accounts: your own, public profiles, and administration by operators.",
    "catalogue": "Titles: filtered pages, single titles, search, genres.",
    "jikan": "Jikan's responses, passed through unchanged.",
    "sync": "Syncing the catalogue with MyAnimeList, as background jobs.",
    "jobs": "Background jobs and their progress.",
    "list": "The user's anime list.",
    "favorites": "The user's favourites.",
    "watching": "Playback progress and the viewing log.",
    "collections": "Collections of titles that users create and can share.",
    "imports": "Imports of lists from other services.",
    "exports": "Exports of lists and accounts.",
    "releases": "Releases from dubbing sources, with episodes.",
    "AniLibria": "AniLibria's titles and episodes, in the format of its existing clients.",
    "hianime": "HiAnime's titles and episodes, from an aniwatch-api that the operator hosts.",
    "internal": "For other services of the operator; requires `INTERNAL_SERVICE_TOKEN` as bearer token.",
    "tracker: auth": "Accounts in the format of the tracker's clients.",
    "tracker: sources": "Sources of titles to add: AniList, MangaDex, and the catalogue as a fallback.",
    "tracker: anilist": "The user's AniList account: connecting it, imports, two-way sync, conflicts.",
    "tracker: library": "The tracker page's library: anime, manga and the user's own titles.",
}

PERMISSIONS: dict[Permission, str] = {
    "read:content": "Read the list, favourites, playback progress, collections and jobs of the account.",
    "write:content": "Change them.",
    "read:profile": "Read the profile.",
    "write:profile": "Change the profile.",
    "write:catalog": "Add titles to the catalogue and sync it.",
    "admin:*": "Administer all accounts.",
}

TEXT = """\
A backend for anime trackers: a catalogue synchronised with MyAnimeList, personal lists, favourites,
playback progress, imports and exports.

## Signing in
`POST /auth/login` returns an access token and a refresh token. Send `Authorization: Bearer TOKEN`. When the
access token has expired, `POST /auth/refresh` exchanges the refresh token for a new pair; if that response is
lost, sending the same refresh token again returns the same pair. A personal API token (`POST /auth/tokens`)
is sent in the same way and has the permissions of its scopes. Each operation states the permission it needs.

## Pages
Lists take `limit` with `offset` or `page`. `X-Total-Count` is the exact total; `Link` has the URLs of the
`first`, `prev`, `next` and `last` page. A page past the end is empty. Every sort order is total, so pages
never overlap and never skip objects.

## Values
All keys are always present: unknown values are `null` or `[]`. Timestamps are RFC 3339 in UTC; dates are
`YYYY-MM-DD` with unknown parts dropped from the right (`2017-10`, `2017`). Ids are integers of this
service, next to `mal_id` and `anilist_id`. `fields=a,b` selects keys; each operation that accepts it appears
twice in this document: the one with a trailing slash is the one whose keys are optional.

## Failures
`{"code", "message", "details", "request_id"}`: `code` is machine-readable, `message` human-readable.
`details.fields` has the messages by field, `details.errors` a list of `{"field", "code", "params",
"message"}`. An unknown parameter or body key is rejected with 422, which suggests the most similar known
one; so is a repeated parameter that takes a single value. 401: not signed in; 403: the permission is missing;
404: not found, or owned by another user; 409: a conflict with existing data; 429 and 503: retry after the
time in `Retry-After`.

## Safe changes
Entries carry `version` and an `ETag`. Send one of them as `If-Match` (`"3"` or `"7-3"`): a change that
is based on an outdated version then fails with 412, with the current entry in `details.entry`. Responses of
the catalogue have an `ETag` for `If-None-Match`. A `POST` with an `Idempotency-Key` is executed once in 24
hours; a repeated request gets the first response, with `Idempotency-Replayed: true`. `PUT` and `DELETE` can
be repeated safely.

## Limits
Bodies are at most 1 MB, list files 20 MB, avatars 5 MB. Operations with a rate limit send
`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds).
"""
