"""Print the OpenAPI document, for client generators."""

import json
from importlib import import_module
from typing import Annotated

import typer

from app.cli.context import echo


def openapi(
    url: Annotated[
        str | None, typer.Option(help="Address of the server in the document; otherwise `PUBLIC_BASE_URL`.")
    ] = None,
) -> None:
    """Print the OpenAPI document; needs neither settings nor servers."""
    from app.config import Settings

    create_app = import_module("app.main").create_app  # on the same layer, which imports may not cross
    settings = Settings()
    if url is not None:
        settings = settings.model_copy(update={"public_base_url": url})
    echo(json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=1))
