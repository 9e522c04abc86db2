"""`premade signing-key`."""

from typing import Annotated, Any

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.tickets.key_file import base64url
from premade.tickets.signing import (
    PublicKey,
    list_signing_keys,
    retirable,
    retire_signing_key,
    rotate_signing_key,
    tickets_with_tokens_of,
)

app = typer.Typer(help="The keys that sign QR tokens.", no_args_is_help=True)


@app.command()
def rotate(
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Rotate the key that signs tickets of test partners.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new key that signs from now on; tokens of the old ones stay valid."""
    key = operate(lambda database, runtime: rotate_signing_key(database, runtime, is_test=test))
    show_one(_shown(key), as_json=as_json)


@app.command(name="list")
def show(*, as_json: AsJson = False) -> None:
    """List the keys, without what signs."""
    keys = operate(lambda database, _: list_signing_keys(database))
    show_rows([_shown(key) for key in keys], as_json=as_json)


@app.command()
def retire(
    key_id: Annotated[str, typer.Argument(help="The id that 'premade signing-key list' shows.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """End the tokens of an old key: no gate admits them any longer."""

    async def retire_if_meant(database: Database, runtime: Runtime) -> dict[str, Any]:
        retirable(await list_signing_keys(database), key_id, runtime.now())
        counted = await tickets_with_tokens_of(database, key_id)
        if not yes:
            _ask(key_id, counted, as_json=as_json)
        return {**await retire_signing_key(database, runtime, key_id), **counted}

    show_one(operate(retire_if_meant), as_json=as_json)


def _ask(key_id: str, counted: dict[str, int], *, as_json: bool) -> None:
    loss = f"{counted['unused']} unused and {counted['active']} ACTIVE tickets have tokens of {key_id}"
    if as_json:
        raise Invalid(
            [FieldError("yes", f"{loss}, which no gate will admit; say --yes to retire it all the same")]
        )
    typer.confirm(f"{loss}, which no gate will admit. Retire it?", abort=True)


def _shown(key: PublicKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "public_key": base64url(key.public_key),
        "current": key.is_current,
        "test": key.is_test,
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }
