"""Conventions of the whole API: the introduction of the document, tags and permissions."""

from app.schemas.domain.accounts import Permission

TAGS = {
    "operations": "Whether the service lives and works, and its figures.",
    "auth": "Registration, sign-in, token refresh, sign-out; sessions, passwords and API tokens.",
    "users": "Accounts: one's own, those of others, and all of them for operators.",
    "catalogue": "Titles: pages with filters, single titles, search, genres.",
    "jikan": "Jikan's own answers, as they came.",
    "sync": "Bringing the catalogue in step with MyAnimeList, as jobs.",
    "jobs": "Background jobs and how far they are.",
    "list": "A person's anime list.",
    "favorites": "A person's favourites.",
    "watching": "Playback progress and what was watched.",
    "collections": "Lists of titles that people make, and may share.",
    "imports": "Lists that come from elsewhere.",
    "exports": "A list to take elsewhere.",
    "releases": "Releases of dubbing sources, with episodes.",
    "AniLibria": "AniLibria's titles with their episodes, in the words of its own clients.",
    "hianime": "HiAnime's titles and episodes, from an aniwatch-api that the operator hosts.",
    "internal": "For other services of the operator, with `INTERNAL_SERVICE_TOKEN` as Bearer.",
    "tracker: auth": "Accounts in the words of the tracker's clients.",
    "tracker: sources": "Titles to add: AniList, MangaDex, and the catalogue while they are away.",
    "tracker: anilist": "An account at AniList: connecting it, imports, the two-way sync, its conflicts.",
    "tracker: library": "The tracker page's library: anime, manga and titles of one's own.",
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
The backend that anime trackers are built on: a catalogue kept in step with MyAnimeList, personal lists,
favourites, playback progress, imports and exports.

## Signing in
`POST /auth/login` answers an access token and a refresh token. Send `Authorization: Bearer TOKEN`. When the
access token has ended, `POST /auth/refresh` exchanges the refresh token for a new pair; if that answer is
lost, the same refresh token answers the same pair again. A personal API token (`POST /auth/tokens`) is sent
in the same way and has the permissions of its scopes. Each operation says which permission it needs.

## Pages
Lists take `limit` with `offset` or `page`. `X-Total-Count` is the exact total; `Link` has the URLs of the
`first`, `prev`, `next` and `last` page. A page past the end is empty. Every order is total, so pages
neither overlap nor skip.

## Values
All keys are always present: unknown is `null`, an empty list `[]`. Instants are RFC 3339 in UTC; dates are
`YYYY-MM-DD` with unknown parts dropped from the right (`2017-10`, `2017`). Ids are integers of this
service; `mal_id` and `anilist_id` stand beside them. `fields=a,b` selects keys; each operation that takes
it stands twice in this document, with a slash at the end as the one whose keys are optional.

## Failures
`{"code", "message", "details", "request_id"}`: `code` is for programs, `message` for people.
`details.fields` has the messages by field, `details.errors` a list of `{"field", "code", "params",
"message"}`. An unknown parameter or body key is 422 and names the nearest known one; so is a parameter
given twice that has one value. 401 asks to sign in, 403 lacks a permission, 404 is also what belongs to
somebody else, 409 conflicts with what is there, 429 and 503 say in `Retry-After` when to try again.

## Safe changes
Entries carry `version` and an `ETag`. Send one of them as `If-Match` (`"3"` or `"7-3"`) and a change that
is based on an old version fails with 412 and the current entry in `details.entry`. Reads of the catalogue
carry an `ETag` for `If-None-Match`. A `POST` with an `Idempotency-Key` acts once in 24 hours; a repetition
is given the first answer, with `Idempotency-Replayed: true`. `PUT` and `DELETE` can be repeated as they
are.

## Limits
Bodies are at most 1 MB, list files 20 MB, avatars 5 MB. Limited operations say `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset` (seconds).
"""
