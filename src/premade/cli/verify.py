"""`premade verify`."""

from pathlib import Path
from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.runtime.errors import FieldError, Invalid
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.tickets.code import TokenRefused, check_token, is_test_key, split_token
from premade.tickets.key_file import read_key_file
from premade.tickets.signing import list_signing_keys


def verify(
    token: Annotated[str, typer.Argument(help="Text of the QR code.")],
    *,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="File in the form of /.well-known/premade-keys.json. Default: the keys of the database."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a QR token is genuine."""
    public_keys = _keys_of_database() if keys is None else _keys_of_file(keys)
    fault, why = None, command_text("TOKEN", "genuine")
    try:
        if is_test_key(check_token(token, public_keys).key_id):
            why = command_text("TOKEN", "genuine_of_a_test_ticket")
    except TokenRefused as refused:
        fault, why = refused.fault.value, str(refused)
    parts = split_token(token)
    show_one(
        {
            "valid": fault is None,
            "reason": fault,
            "detail": why,
            "ticket_code": parts and parts.ticket_code,
            "issue_number": parts and parts.issue_number,
            "key_id": parts and parts.key_id,
            "test": parts and is_test_key(parts.key_id),
        },
        as_json=as_json,
    )
    if fault is not None:
        raise typer.Exit(1)


def _keys_of_database() -> dict[str, bytes]:
    keys = operate(lambda database, _: list_signing_keys(database))
    return {key.key_id: key.public_key for key in keys if key.retired_at is None}


def _keys_of_file(path: Path) -> dict[str, bytes]:
    try:
        return read_key_file(path.read_bytes())
    except OSError as error:
        raise Invalid(
            [FieldError("keys", field_text("gate.key_file_unreadable", path=path, why=error.strerror))]
        ) from None
