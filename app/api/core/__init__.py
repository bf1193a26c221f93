"""Routes of the core surface."""

from fastapi import APIRouter

from app.api.core import health

routers: tuple[APIRouter, ...] = (health.router,)
