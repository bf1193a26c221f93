"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import auth, health, jobs, library, metrics, users

routers: tuple[APIRouter, ...] = (
    health.router,
    auth.router,
    users.router,
    jobs.router,
    library.router,
    metrics.router,
)
