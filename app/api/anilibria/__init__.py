"""Routes of the AniLibria v2 surface."""

from fastapi import APIRouter

from app.api.anilibria import health, socket, titles

routers: tuple[APIRouter, ...] = (titles.router, health.router, socket.router)
