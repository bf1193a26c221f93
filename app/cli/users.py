"""`anisync users`: accounts, created by the operator of the installation."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import echo, run

if TYPE_CHECKING:
    from app.container import Container
    from app.schemas.domain.accounts import Role

commands = typer.Typer(help="Accounts.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """Typer needs a callback to keep `create` a subcommand while it is the only one."""


@commands.command("create")
def create(
    username: Annotated[str | None, typer.Option(help="3 to 32 letters, digits, `_`, `.`, `-`.")] = None,
    email: Annotated[str | None, typer.Option()] = None,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
    admin: Annotated[bool, typer.Option("--admin", help="Give the account every permission.")] = False,
) -> None:
    """Create an account."""
    from app.schemas.core.fields import Email, NewPassword, Username

    if not (username or email):
        raise typer.BadParameter("give --username, --email or both")
    name, address = _checked(Username, "--username", username), _checked(Email, "--email", email)
    secret = _checked(NewPassword, "--password", password) or ""

    async def insert(services: "Container") -> int:
        role: Role = "admin" if admin else "user"
        account = await services.accounts.registration.create(
            username=name, email=address, password=secret, role=role
        )
        echo(f"created {role} {account.username} with id {account.id}")
        return 0

    run(insert)


def _checked(kind: Any, option: str, text: str | None) -> str | None:
    """Validate the text as the API does; a failure names the option."""
    from pydantic import TypeAdapter, ValidationError

    if text is None:
        return None
    try:
        return str(TypeAdapter(kind).validate_python(text))
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint=option) from None
