"""`premade signing-key`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.runtime.master_keys import create_master_key_file
from premade.staff.second_factor import reseal_second_factors
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.tickets.key_file import base64url
from premade.tickets.sealing import SealedKeys, seal_signing_keys
from premade.tickets.signing import (
    PublicKey,
    list_signing_keys,
    retirable,
    retire_signing_key,
    rotate_signing_key,
    tickets_with_tokens_of,
)
from premade.tickets.signing_sql import TokenCount

app = typer.Typer(help="Keys that sign QR tokens.", no_args_is_help=True)


@dataclass(frozen=True)
class SigningKeyOutput:
    """A signing key as the commands print it."""

    key_id: str
    public_key: str
    current: bool
    test: bool
    sealed: bool
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class Retirement:
    """A retired signing key, and the numbers of tickets with its tokens."""

    key_id: str
    retired_at: datetime
    unused: int
    active: int


@app.command(help="Create a new signing key for new tokens. Tokens of the old keys stay valid.")
def rotate(
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Rotate the key that signs tickets of test partners.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a new signing key for new tokens."""
    key = operate(lambda database, runtime: rotate_signing_key(database, runtime, is_test=test))
    show_one(_output(key), as_json=as_json)


@app.command(
    help="Encrypt all signing keys with the current master key: the plain ones of an upgraded database, and those of an earlier master key. Also encrypt the secrets of authenticator apps."
)
def seal(*, as_json: AsJson = False) -> None:
    """Encrypt all signing keys with the current master key."""
    created: list[Path | None] = []

    async def seal_all(database: Database, runtime: Runtime) -> SealedKeys:
        sealed = await seal_signing_keys(database, runtime, lambda: created.append(create_master_key_file()))
        await reseal_second_factors(database, runtime)
        return sealed

    sealed = operate(seal_all)
    for path in filter(None, created):
        typer.echo(command_text("PROGRESS", "master_key_created", path=path), err=True)
    show_one(sealed, as_json=as_json)


@app.command(name="list", help="List the signing keys without their private keys.")
def show(*, as_json: AsJson = False) -> None:
    """List the signing keys without their private keys."""
    keys = operate(lambda database, _: list_signing_keys(database))
    show_rows([_output(key) for key in keys], as_json=as_json)


@app.command(help="Retire an old signing key. Gates then refuse its tokens.")
def retire(
    key_id: Annotated[str, typer.Argument(help="Key id from 'premade signing-key list'.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retire an old signing key."""

    async def retire_after_confirmation(database: Database, runtime: Runtime) -> Retirement:
        retirable(await list_signing_keys(database), key_id, runtime.now())
        counts = await tickets_with_tokens_of(database, key_id)
        if not yes:
            _ask(key_id, counts, as_json=as_json)
        retired = await retire_signing_key(database, runtime, key_id)
        return Retirement(key_id, retired.retired_at, counts.unused, counts.active)

    show_one(operate(retire_after_confirmation), as_json=as_json)


def _ask(key_id: str, counts: TokenCount, *, as_json: bool) -> None:
    loss = f"{counts.unused} unused and {counts.active} ACTIVE tickets have tokens of {key_id}"
    if as_json:
        raise Invalid(
            [
                FieldError(
                    "yes",
                    field_text(
                        "option.confirm_retirement",
                        unused=counts.unused,
                        active=counts.active,
                        key_id=key_id,
                    ),
                )
            ]
        )
    typer.confirm(f"{loss}. Gates will refuse them. Retire the key?", abort=True)


def _output(key: PublicKey) -> SigningKeyOutput:
    return SigningKeyOutput(
        key_id=key.key_id,
        public_key=base64url(key.public_key),
        current=key.is_current,
        test=key.is_test,
        sealed=key.is_sealed,
        created_at=key.created_at,
        retired_at=key.retired_at,
    )
