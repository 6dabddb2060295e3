"""``intent account``: who may sign in to the console by a password, and as what."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import JsonOption, cell, emit, grid, say, show
from intent.errors import WorkbenchError
from intent.workbench.records import Role

if TYPE_CHECKING:
    from intent.workbench.local_accounts import LocalAccounts

NAME = "account"
EXAMPLES = """Examples:

\b
  intent account create ann --admin              the first one; asks for a password twice
  intent account create bob --role analyst < password-file
  intent account password bob
  intent account role bob approver
  intent account disable bob
  intent account list
"""
_MOST_BYTES = 4096

DatabaseOption = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="Database of the workbench; that of the settings if not given.")
]
NameArgument = Annotated[str, typer.Argument(help="Name of the account.")]

app = typer.Typer(help="Accounts of the console.", no_args_is_help=True, rich_markup_mode=None, epilog=EXAMPLES)


@app.command("create")
def create(
    name: NameArgument,
    *,
    role: Annotated[Role | None, typer.Option(help="What the person may do; each may do what the ones before it may.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="The same as --role admin.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Make an account; the password is asked for, or read from standard input."""
    if (role is None) != admin:
        raise WorkbenchError("one of --role and --admin must be given")
    accounts = _accounts(database)
    accounts.create(name, Role.ADMIN if role is None else role, _password(), _operator())
    say(f"created {name}")


@app.command("password")
def password(name: NameArgument, database: DatabaseOption = None) -> None:
    """Give an account a new password, and end its sessions."""
    _accounts(database).set_password(name, _password(), _operator())
    say(f"changed the password of {name}")


@app.command("role")
def role(name: NameArgument, role: Annotated[Role, typer.Argument(help="The new role.")], database: DatabaseOption = None) -> None:
    """Give an account another role, and end its sessions."""
    _accounts(database).set_role(name, role, _operator())
    say(f"{name} is {role} now")


@app.command("disable")
def disable(name: NameArgument, database: DatabaseOption = None) -> None:
    """Close an account for good, and end its sessions; its name is never given again."""
    _accounts(database).disable(name, _operator())
    say(f"disabled {name}")


@app.command("list")
def list_accounts(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show all accounts."""
    found = _accounts(database).all()
    if as_json:
        kept = [account.model_dump(mode="json", include={"name", "role", "disabled", "at", "by"}) for account in found]
        emit(json.dumps(kept, indent=1).encode() + b"\n")
        return
    table = grid("Name", "Role", "State", "Changed", "By")
    for account in found:
        state = "disabled" if account.disabled else "active"
        table.add_row(*(cell(text) for text in (account.name, account.role, state, f"{account.at:%Y-%m-%d %H:%M}", account.by)))
    show(table)


def _password() -> str:
    """Never from the arguments, which every user of the machine can read."""
    if sys.stdin.isatty():
        first = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != first:
            raise WorkbenchError("the two passwords must be the same")
        return first
    return sys.stdin.buffer.read(_MOST_BYTES).decode("utf-8", "replace").partition("\n")[0].removesuffix("\r")


def _operator() -> str:
    """Whom an act of the command line is attributed to: the user of the system, not what the environment says."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"


def _accounts(database: str | None) -> LocalAccounts:
    # Here, because most commands need neither a database nor argon2.
    from intent.database import Durability, open_database
    from intent.workbench.accounts import Accounts
    from intent.workbench.local_accounts import LocalAccounts

    return LocalAccounts(Accounts(open_database(database or _default(), durable=Durability.FULL)))


def _default() -> str:
    from intent.assembly import DATABASE, state_directory
    from intent.settings import Settings

    settings = Settings()
    if settings.database is not None:
        return settings.database.get_secret_value()
    path: Path = state_directory(settings) / DATABASE
    return f"sqlite:///{path.resolve()}"
