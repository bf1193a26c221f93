"""Routes of the HiAnime surface: an allow-list in front of a self-hosted aniwatch-api."""

from fastapi import APIRouter

from app.api.hianime import anime, episodes, pages

routers: tuple[APIRouter, ...] = (pages.router, anime.router, episodes.router)
