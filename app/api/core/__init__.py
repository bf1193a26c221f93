"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import (
    auth,
    health,
    jobs,
    library,
    media,
    metrics,
    passwords,
    sessions,
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
    jobs.router,
    library.router,
    metrics.router,
)
