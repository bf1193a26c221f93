"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import health, jobs, library

routers: tuple[APIRouter, ...] = (health.router, jobs.router, library.router)
