"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import (
    auth,
    health,
    jikan,
    jobs,
    library,
    mal,
    media,
    metrics,
    passwords,
    sessions,
    sync,
    tokens,
    users,
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
    jobs.router,
    library.router,
    metrics.router,
)
