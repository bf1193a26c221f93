"""The API process: the application, its lifespan, its middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from app.api.access import guard, route_table
from app.api.anilibria.titles import REQUESTS
from app.api.core.surface import CORE
from app.api.middleware.answer_cache import AnswerCache, AnswerStore
from app.api.middleware.compression import Compression
from app.api.middleware.hot_titles import HotTitles
from app.api.middleware.origins import Origins
from app.api.middleware.request_body import LingeringClose
from app.api.middleware.request_context import CrashHandler, RequestContext
from app.api.middleware.start_gate import StartGate
from app.api.openapi.docs import add_docs
from app.api.openapi.document import describe, operation_id
from app.api.page import add_page
from app.api.routing import RememberedRoutes
from app.api.surfaces import RENDERED, SURFACES, respond
from app.config import Settings, load_settings
from app.container import Container, build
from app.logs import configure_logs
from app.utils.processes.heap import tune_garbage_collector


def create_app(settings: Settings, *, container: Container | None = None) -> FastAPI:
    """Create the application; tests pass a container of their own."""

    answers = AnswerStore()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with build(settings) as built:
            if settings.demo_user:
                await built.accounts.registration.ensure_demo()
            app.state.container = built
            async with built.catalogue.events.subscribe(answers.forget), built.releases.live.running():
                tune_garbage_collector()
                yield

    app = FastAPI(
        title="AniSync",
        summary="The backend that anime trackers are built on.",
        version="0.1.0",
        lifespan=lifespan if container is None else None,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[guard],
    )
    if container is not None:
        app.state.container = container
        container.catalogue.events.on_change(answers.forget)
    _add_routes(app, settings)
    _add_middleware(app, settings, answers)
    if container is None:
        app.add_middleware(StartGate, settings=settings)
    return app


@cache
def _surface_routes() -> list[BaseRoute]:
    """The routes of all surfaces, built once per process.

    FastAPI takes a third of a second to resolve their parameters, and tests create many applications.
    """
    everything = APIRouter(dependencies=[guard], generate_unique_id_function=operation_id)
    for surface in (CORE, *SURFACES):
        for router in surface.routers:
            everything.include_router(router)
    return everything.routes


def _add_routes(app: FastAPI, settings: Settings) -> None:
    app.router.routes.extend(_surface_routes())
    describe(app, settings)
    add_docs(app)
    add_page(app)
    app.router.middleware_stack = RememberedRoutes(app.router)
    route_table(app)  # fails at startup if a route does not declare its access
    for failure in RENDERED:
        app.add_exception_handler(failure, respond)


def _add_middleware(app: FastAPI, settings: Settings, answers: AnswerStore) -> None:
    """Add the middleware from the innermost to the outermost."""
    app.add_middleware(HotTitles, quota=REQUESTS, settings=settings)
    app.add_middleware(AnswerCache, store=answers, settings=settings)
    app.add_middleware(CrashHandler)
    app.add_middleware(Compression)
    app.add_middleware(Origins, settings=settings)
    app.add_middleware(RequestContext, access_log=settings.access_log)
    app.add_middleware(LingeringClose)


def __getattr__(name: str) -> FastAPI:
    """Create ``app`` on first access, so that importing this module needs no settings."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    configure_logs(settings.log_level)
    application = create_app(settings)
    globals()["app"] = application
    return application
