"""Routes of the tracker surface."""

from fastapi import APIRouter

from app.api.tracker import auth, library

routers: tuple[APIRouter, ...] = (auth.router, library.router)
