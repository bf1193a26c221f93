"""`anisync recommend`: recommendations for a user."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, run

if TYPE_CHECKING:
    from app.container import Container


def recommend(
    username: Annotated[str, typer.Argument(help="The user whose list is used.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 10,
) -> None:
    """Show titles that a user may like and has not listed, each with a reason."""
    import orjson

    async def show(services: "Container") -> int:
        found = await services.recommendations.list_for_username(username, limit=limit)
        for title in orjson.loads(found):
            about = ", ".join(str(part) for part in (title["type"], title["year"]) if part)
            echo(f"{title['title']}{f' ({about})' if about else ''}: {title['reason']}")
        return 0

    run(show)
