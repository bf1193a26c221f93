"""`anisync recommend`: show recommendations, and train or evaluate their models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli.context import echo, echo_error, run

if TYPE_CHECKING:
    from app.container import Container

_MAX_REPORTED = 20  # malformed rows that are reported one by one


class _ByUsername(TyperGroup):
    """`recommend NAME` is short for `recommend for NAME`, unless a command has that name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["for", *args]
        return super().resolve_command(ctx, args)


commands = typer.Typer(
    cls=_ByUsername, help="Recommendations: `recommend USERNAME` shows a user's.", no_args_is_help=True
)


@commands.command("for")
def recommend(
    username: Annotated[str, typer.Argument(help="The user whose list is used.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 10,
) -> None:
    """Show titles that a user may like and has not listed, each with a reason."""
    import orjson

    from app.schemas.domain.recommendations import RecommendationSpec

    async def show(services: "Container") -> int:
        found = await services.recommendations.served.list_for_username(
            username, RecommendationSpec(limit=limit)
        )
        for title in orjson.loads(found):
            about = ", ".join(str(part) for part in (title["type"], title["year"]) if part)
            echo(f"{title['title']}{f' ({about})' if about else ''}: {title['reason']}")
        return 0

    run(show)


@commands.command("fit")
def fit(
    ratings: Annotated[
        Path | None,
        typer.Option(
            help="Ratings of others to train on, now and later: CSV user_id,mal_id,score,status, also .gz."
        ),
    ] = None,
    forget_ratings: Annotated[bool, typer.Option(help="Train on the lists of this server only.")] = False,
) -> None:
    """Train the recommendations on all lists; they are served from then on."""
    from app.errors import DumpUnreadable

    async def learn(services: "Container") -> int:
        refits = services.recommendations.refits
        if forget_ratings:
            await refits.forget_ratings()
        if ratings is not None:
            faults = _Faults()
            try:
                dump = await refits.store_ratings(ratings, faults)
            except DumpUnreadable as error:
                echo_error(f"anisync: {error}")
                return 2
            echo(
                f"{ratings.name}: {len(dump.users)} entries of {len(dump.names)} lists, {dump.faults} failed"
            )
        summary = await refits.run()
        echo(
            f"trained on {summary.learned} of {summary.titles} titles, from {summary.entries} entries of "
            f"{summary.lists} lists in {summary.seconds:g} s; {summary.size / 1e6:.1f} MB"
        )
        return 0

    run(learn)


@commands.command("evaluate")
def evaluate(
    train: Annotated[Path, typer.Option(help="Ratings to train on, in the format of `fit --ratings`.")],
    test: Annotated[
        Path | None, typer.Option(help="Ratings to predict; by default up to 2,000 lists of `--train`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random selection.")] = 7,
) -> None:
    """Measure how well recommendations predict held-out titles of lists that they were not trained on."""
    import orjson

    from app.errors import DumpUnreadable

    async def measure(services: "Container") -> int:
        try:
            report = await services.recommendations.refits.evaluate(
                train, test, seed=seed, on_fault=_Faults()
            )
        except DumpUnreadable as error:
            echo_error(f"anisync: {error}")
            return 2
        echo(orjson.dumps(report.as_json()).decode() if as_json else report.as_table())
        return 0

    run(measure)


class _Faults:
    """Prints the first malformed rows to stderr."""

    def __init__(self) -> None:
        self._reported = 0

    def __call__(self, fault: Any) -> None:
        self._reported += 1
        if self._reported <= _MAX_REPORTED:
            echo_error(f"line {fault.line}: {fault.outcome}: {fault.reason}")
        elif self._reported == _MAX_REPORTED + 1:
            echo_error("further malformed rows are only counted")
