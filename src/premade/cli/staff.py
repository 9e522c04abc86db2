"""`premade staff`."""

import sys
from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.staff.member import add_staff, list_staff, set_disabled, set_password, set_role
from premade.staff.password import PASSWORD_CHARACTERS_MIN
from premade.staff.role import Role

app = typer.Typer(help="The operator's staff, who sign in to the console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name to sign in with, such as mei.wong.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


def _password(*, from_stdin: bool) -> str:
    """Never an argument: those stand in the shell's history and the list of processes."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked = f"Password (at least {PASSWORD_CHARACTERS_MIN} characters)"
    return typer.prompt(asked, hide_input=True, confirmation_prompt="Once more", err=True)


@app.command()
def add(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="What they may see and do.")],
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add somebody. The password is asked for."""
    password = _password(from_stdin=password_stdin)
    added = operate(lambda database, runtime: add_staff(database, runtime, name, role, password))
    show_one(added, as_json=as_json)


@app.command(name="list")
def show(*, as_json: AsJson = False) -> None:
    """List the staff."""
    show_rows(operate(lambda database, _: list_staff(database)), as_json=as_json)


@app.command()
def disable(name: Name, *, as_json: AsJson = False) -> None:
    """Sign somebody out everywhere and let them in no more."""
    show_one(
        operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=True)),
        as_json=as_json,
    )


@app.command()
def enable(name: Name, *, as_json: AsJson = False) -> None:
    """Let somebody who was disabled sign in again."""
    show_one(
        operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=False)),
        as_json=as_json,
    )


@app.command(name="set-password")
def change_password(name: Name, *, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Give somebody a new password, and sign them out everywhere."""
    password = _password(from_stdin=password_stdin)
    show_one(
        operate(lambda database, runtime: set_password(database, runtime, name, password)), as_json=as_json
    )


@app.command(name="set-role")
def change_role(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="What they may see and do.")],
    as_json: AsJson = False,
) -> None:
    """Change what somebody may see and do, from their next page on."""
    show_one(operate(lambda database, runtime: set_role(database, runtime, name, role)), as_json=as_json)
