"""Routes of the tracker surface."""

from fastapi import APIRouter

from app.api.tracker import auth

routers: tuple[APIRouter, ...] = (auth.router,)
