"""Routes of the AniLibria v2 surface."""

from fastapi import APIRouter

from app.api.anilibria import health, titles

routers: tuple[APIRouter, ...] = (titles.router, health.router)
