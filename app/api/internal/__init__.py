"""Routes of the internal surface, for other services of the operator."""

from fastapi import APIRouter

from app.api.internal import releases, users

routers: tuple[APIRouter, ...] = (releases.router, users.router)
