"""`anisync recommend`: what somebody could watch next."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import run, say

if TYPE_CHECKING:
    from app.container import Container


def recommend(
    username: Annotated[str, typer.Argument(help="Whose list it goes by.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 10,
) -> None:
    """Show titles that somebody may like and does not have, each with a reason."""
    import orjson

    async def show(services: "Container") -> int:
        found = await services.recommendations.list_for_username(username, limit=limit)
        for title in orjson.loads(found):
            about = ", ".join(str(part) for part in (title["type"], title["year"]) if part)
            say(f"{title['title']}{f' ({about})' if about else ''}: {title['reason']}")
        return 0

    run(show)
