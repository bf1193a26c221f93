"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import (
    anime,
    auth,
    collections,
    exports,
    favorites,
    genres,
    health,
    imports,
    jikan,
    jobs,
    library,
    mal,
    media,
    metrics,
    passwords,
    search,
    sessions,
    stats,
    sync,
    tokens,
    users,
    watching,
)

# Each request is matched with them in this order: what is asked most comes first.
routers: tuple[APIRouter, ...] = (
    anime.router,
    mal.router,
    search.router,
    genres.router,
    health.router,
    auth.router,
    sessions.router,
    tokens.router,
    passwords.router,
    users.router,
    media.router,
    jikan.router,
    sync.router,
    jobs.router,
    library.router,
    stats.router,
    imports.router,
    exports.router,
    favorites.router,
    watching.router,
    collections.router,
    metrics.router,
)
