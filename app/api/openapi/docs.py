"""The OpenAPI document, and Swagger UI at `/docs`, without requests to other hosts."""

import asyncio
from functools import cache
from importlib.resources import files

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.access import access
from app.api.middleware.compression import BODY, Compressed

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AniSync API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


def add_docs(app: FastAPI) -> None:
    """Serve the document and Swagger UI, whose files come from a package."""

    @cache
    def document() -> Compressed:
        return Compressed(orjson.dumps(app.openapi()))

    making = asyncio.Lock()

    @access("public")
    async def describe(request: Request) -> Response:
        async with making:  # generated once, on first use; it takes about a second, so it runs in a thread
            body = await asyncio.to_thread(document)
        request.scope[BODY] = body
        return Response(body.plain, media_type="application/json")

    @access("public")
    async def show(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    @access("public")
    async def start(_: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    app.add_route("/openapi.json", describe, include_in_schema=False)
    app.add_route("/docs", show, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(directory=str(files("fastapi_swagger") / "resources")), "swagger")
