"""Routes of the core surface."""

from fastapi import APIRouter

routers: tuple[APIRouter, ...] = ()
