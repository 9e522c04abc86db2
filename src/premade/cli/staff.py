"""`premade staff`."""

import sys
from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.runtime.settings import Settings
from premade.staff.member import add_staff, list_staff, set_disabled, set_password, set_role
from premade.staff.password import PASSWORD_CHARACTERS_MIN
from premade.staff.provider_sign_in import NoProvider, link_account, unlink_accounts
from premade.staff.role import Role
from premade.staff.second_factor import reset_second_factor

app = typer.Typer(help="Members of staff, who sign in to the console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Sign-in name, such as mei.wong.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


def _password(*, from_stdin: bool) -> str:
    """Read the password. It is never an argument, because the shell history and the process list show arguments."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    prompt = f"Password (at least {PASSWORD_CHARACTERS_MIN} characters)"
    return typer.prompt(prompt, hide_input=True, confirmation_prompt="Repeat the password", err=True)


@app.command(help="Add a member of staff. The command asks for the password.")
def add(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="Role: decides what the person may see and do.")],
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a member of staff."""
    password = _password(from_stdin=password_stdin)
    added = operate(lambda database, runtime: add_staff(database, runtime, name, role, password))
    show_one(added, as_json=as_json)


@app.command(name="list", help="List the staff.")
def show(*, as_json: AsJson = False) -> None:
    """List the staff."""
    show_rows(operate(lambda database, _: list_staff(database)), as_json=as_json)


@app.command(help="Sign a member of staff out everywhere and block sign-in.")
def disable(name: Name, *, as_json: AsJson = False) -> None:
    """Sign a member of staff out everywhere and block sign-in."""
    show_one(
        operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=True)),
        as_json=as_json,
    )


@app.command(help="Allow a disabled member of staff to sign in again.")
def enable(name: Name, *, as_json: AsJson = False) -> None:
    """Allow a disabled member of staff to sign in again."""
    show_one(
        operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=False)),
        as_json=as_json,
    )


@app.command(name="set-password", help="Set a new password and sign the person out everywhere.")
def change_password(name: Name, *, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Set a new password and sign the person out everywhere."""
    password = _password(from_stdin=password_stdin)
    show_one(
        operate(lambda database, runtime: set_password(database, runtime, name, password)), as_json=as_json
    )


@app.command(
    name="reset-second-factor",
    help="Remove the authenticator app of a member of staff, and sign the person out everywhere.",
)
def reset_app(name: Name, *, as_json: AsJson = False) -> None:
    """Remove the authenticator app of a member of staff."""
    reset = operate(lambda database, runtime: reset_second_factor(database, runtime, name))
    show_one(reset, as_json=as_json)


@app.command(
    name="link-provider",
    help="Let a member of staff sign in with an account of the identity provider.",
)
def link_provider(
    name: Name,
    subject: Annotated[str, typer.Argument(help="Id of the account: the claim 'sub'.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a member of staff sign in with an account of the identity provider."""
    issuer = Settings().oidc_issuer
    if issuer is None:
        raise NoProvider("none")
    show_one(
        operate(lambda database, runtime: link_account(database, runtime, name, issuer, subject)),
        as_json=as_json,
    )


@app.command(
    name="unlink-provider",
    help="Remove the accounts of the identity provider from a member of staff, and sign the person out everywhere.",
)
def unlink_provider(name: Name, *, as_json: AsJson = False) -> None:
    """Remove the accounts of the identity provider from a member of staff."""
    unlinked = operate(lambda database, runtime: unlink_accounts(database, runtime, name))
    show_one(unlinked, as_json=as_json)


@app.command(name="set-role", help="Change the role of a member of staff, from the next page on.")
def change_role(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="Role: decides what the person may see and do.")],
    as_json: AsJson = False,
) -> None:
    """Change the role of a member of staff, from the next page on."""
    show_one(operate(lambda database, runtime: set_role(database, runtime, name, role)), as_json=as_json)
