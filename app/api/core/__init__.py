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

routers: tuple[APIRouter, ...] = (
    health.router,
    auth.router,
    sessions.router,
    tokens.router,
    passwords.router,
    users.router,
    media.router,
    mal.router,
    jikan.router,
    sync.router,
    anime.router,  # after the three above, which have words where it has an id
    genres.router,
    search.router,
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
