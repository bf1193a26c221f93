"""Who may ask what: every route in one table, enforced in one place. What is not listed is refused."""

from typing import Literal

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.api.routing import template_of
from app.api.visitors import stem_flood
from app.container import Container
from app.errors import Forbidden, Unauthenticated
from app.schemas.domain.accounts import Permission, Principal

# public: anybody. session: signed in as a person; a personal API token does not do. A permission: whoever
# has it by role and, where an API token calls, by scope.
Access = Literal["public", "session"] | Permission

ACCESS: dict[str, Access] = {
    # operations; /metrics asks for its own token
    "GET /health": "public",
    "GET /health/live": "public",
    "GET /metrics": "public",
    # accounts
    "POST /auth/register": "public",
    "POST /auth/login": "public",
    "POST /auth/refresh": "public",
    "POST /auth/logout": "public",
    "POST /auth/logout-all": "session",
    "GET /auth/sessions": "session",
    "DELETE /auth/sessions/{session_id}": "session",
    "POST /auth/password": "session",
    "POST /auth/password/forgot": "public",
    "POST /auth/password/reset": "public",
    "GET /auth/tokens": "session",
    "POST /auth/tokens": "session",
    "DELETE /auth/tokens/{token_id}": "session",
    "POST /api/auth/token": "public",
    "POST /api/auth/register": "public",
    "GET /api/auth/me": "read:profile",
    "GET /users/me": "read:profile",
    "PATCH /users/me": "write:profile",
    "DELETE /users/me": "session",
    "GET /users/me/export": "session",
    "GET /users": "admin:*",
    "POST /users": "admin:*",
    "GET /users/{user_id}": "public",
    "PATCH /users/{user_id}": "admin:*",
    "GET /media/avatars/{file}": "public",
    # catalogue
    "GET /anime": "public",
    "POST /anime": "write:catalog",
    "GET /anime/{anime_id}": "public",
    "GET /anime/mal/{mal_id}": "public",
    "GET /anime/jikan/top": "public",
    "GET /anime/jikan/search": "public",
    "GET /anime/jikan/{mal_id}": "public",
    "POST /anime/sync/top": "write:catalog",
    "POST /anime/sync/season": "write:catalog",
    "POST /anime/sync/{mal_id}": "write:catalog",
    "GET /search/anime": "public",
    "GET /genres": "public",
    # jobs
    "GET /jobs": "read:content",
    "GET /jobs/{job_id}": "read:content",
    "POST /jobs/{job_id}/retry": "write:content",
    # lists
    "GET /users/me/list": "read:content",
    "POST /users/me/list": "write:content",
    "POST /users/me/list/batch": "write:content",
    "GET /users/me/list/{anime_id}": "read:content",
    "PATCH /users/me/list/{anime_id}": "write:content",
    "DELETE /users/me/list/{anime_id}": "write:content",
    "GET /users/me/list/{anime_id}/history": "read:content",
    "POST /users/me/list/{anime_id}/undo": "write:content",
    "POST /users/me/import": "write:content",
    "POST /users/me/import/preview": "write:content",
    "GET /users/me/import/{job_id}/report": "read:content",
    "POST /users/me/import/{job_id}/cancel": "write:content",
    "POST /users/me/import/{job_id}/undo": "write:content",
    "GET /users/me/stats": "read:content",
    "GET /users/me/recommendations": "read:content",
    "GET /favorites": "read:content",
    "POST /favorites": "write:content",
    "DELETE /favorites/{anime_id}": "write:content",
    "POST /watch/progress": "write:content",
    "GET /watch/continue": "read:content",
    "GET /views": "read:content",
    "POST /views": "write:content",
    "GET /collections": "read:content",
    "POST /collections": "write:content",
    "GET /collections/shared/{token}": "public",
    "GET /collections/{collection_id}": "read:content",
    "PATCH /collections/{collection_id}": "write:content",
    "DELETE /collections/{collection_id}": "write:content",
    "GET /collections/{collection_id}/items": "read:content",
    "POST /collections/{collection_id}/items": "write:content",
    "DELETE /collections/{collection_id}/items/{anime_id}": "write:content",
    "POST /collections/{collection_id}/share": "write:content",
    "DELETE /collections/{collection_id}/share": "write:content",
    "GET /api/library/items": "read:content",
    "POST /api/library/items": "write:content",
    "GET /api/library/items/{item_id}": "read:content",
    "PATCH /api/library/items/{item_id}": "write:content",
    "DELETE /api/library/items/{item_id}": "write:content",
    "POST /api/library/items/{item_id}/refresh": "write:content",
    "GET /api/library/summary": "read:content",
}


async def _guard(connection: HTTPConnection) -> None:
    """Let the request pass, with who is calling in its state, or refuse it."""
    container: Container = connection.app.state.container
    # Before anybody is authenticated, so that a refusal tells the limits too.
    await stem_flood(connection, container)
    access = ACCESS.get(route_name(connection))
    if access == "public":
        return
    principal = await _authenticate(connection, container)
    if access is None:
        raise Forbidden("This route is not open to anybody yet.")
    _check(principal, access)
    connection.state.principal = principal


guard = Depends(_guard)


def route_name(connection: HTTPConnection) -> str:
    """The key of the chosen route in :data:`ACCESS`; a WebSocket has the method WS."""
    method = connection.scope.get("method", "WS")
    return f"{method} {template_of(connection.scope)}"


async def _authenticate(connection: HTTPConnection, container: Container) -> Principal:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return await container.accounts.authenticate(token.strip())


def _check(principal: Principal, access: Access) -> None:
    if access == "session":
        if principal.session_id is None:
            raise Forbidden("This needs a session; an API token does not do.")
    elif access not in principal.permissions:
        raise Forbidden(f"This needs the permission {access}.")
