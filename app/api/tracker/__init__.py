"""Routes of the tracker surface."""

from fastapi import APIRouter

from app.api.tracker import anilist, auth, imports, library, sources

routers: tuple[APIRouter, ...] = (
    auth.router,
    library.router,
    anilist.router,
    anilist.callbacks,
    imports.router,
    sources.router,
)
