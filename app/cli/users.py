"""`anisync users`: accounts, created by the operator of the installation."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import echo, run

if TYPE_CHECKING:
    from app.container import Container
    from app.schemas.domain.accounts import Role

commands = typer.Typer(help="Accounts.", no_args_is_help=True)


@commands.command("create")
def create(
    username: Annotated[str | None, typer.Option(help="3 to 32 letters, digits, `_`, `.`, `-`.")] = None,
    email: Annotated[str | None, typer.Option()] = None,
    password: Annotated[str | None, typer.Option(help="Asked for if it is not given.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Give the account every permission.")] = False,
) -> None:
    """Create an account."""
    from app.schemas.core.fields import Email, Username

    if not (username or email):
        raise typer.BadParameter("give --username, --email or both")
    name, address = _checked(Username, "--username", username), _checked(Email, "--email", email)
    secret = _password(password)

    async def insert(services: "Container") -> int:
        role: Role = "admin" if admin else "user"
        account = await services.accounts.registration.create(
            username=name, email=address, password=secret, role=role
        )
        echo(f"created {role} {account.username} with id {account.id}")
        return 0

    run(insert)


@commands.command("list")
def show(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    offset: Annotated[int, typer.Option(min=0, help="Number of accounts to skip.")] = 0,
) -> None:
    """Show accounts, oldest first."""

    async def print_page(services: "Container") -> int:
        accounts, total = await services.accounts.users.list(limit=limit, offset=offset)
        echo(f"{'ID':>8}  {'ROLE':<5}  {'STATE':<8}  {'CREATED (UTC)':<16}  {'USERNAME':<32}  E-MAIL")
        for account in accounts:
            state = "active" if account.is_active else "disabled"
            made = account.created_at.strftime("%Y-%m-%d %H:%M")
            line = f"{account.id:>8}  {account.role:<5}  {state:<8}  {made:<16}  {account.username:<32}"
            echo(f"{line}  {account.email or ''}".rstrip())
        echo(f"{len(accounts)} of {total} accounts")
        return 0

    run(print_page)


Username = Annotated[str, typer.Argument(metavar="USERNAME", help="The user name, in any case.")]


@commands.command("password")
def set_password(
    username: Username,
    password: Annotated[str | None, typer.Option(help="Asked for if it is not given.")] = None,
) -> None:
    """Set a new password; ends all sessions and API tokens of the account."""
    secret = _password(password)

    async def replace(services: "Container") -> int:
        account = await services.accounts.users.get_by_username(username)
        await services.accounts.passwords.replace(account, secret)
        echo(f"{account.username} has a new password")
        return 0

    run(replace)


@commands.command("disable")
def disable(username: Username) -> None:
    """Prevent an account from signing in, and end its sessions. `users enable` reverts it."""
    _set_active(username, is_active=False)


@commands.command("enable")
def enable(username: Username) -> None:
    """Let a disabled account sign in again."""
    _set_active(username, is_active=True)


def _set_active(username: str, *, is_active: bool) -> None:
    async def administer(services: "Container") -> int:
        account = await services.accounts.users.get_by_username(username)
        await services.accounts.users.administer(None, account.id, role=None, is_active=is_active)
        echo(f"{account.username} is {'active' if is_active else 'disabled'}")
        return 0

    run(administer)


def _password(given: str | None) -> str:
    from app.schemas.core.fields import NewPassword

    if given is None:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return _checked(NewPassword, "--password", given) or ""


def _checked(kind: Any, option: str, text: str | None) -> str | None:
    """Validate the text as the API does; a failure names the option."""
    from pydantic import TypeAdapter, ValidationError

    if text is None:
        return None
    try:
        return str(TypeAdapter(kind).validate_python(text))
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint=option) from None
