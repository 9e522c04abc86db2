"""`premade key`."""

from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.partners.keys import change_key, create_key, key_of, list_keys, revoke_key, rotate_key
from premade.partners.keys_sql import ChangedKey
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.values.operator_input import duration, moment

app = typer.Typer(help="API keys: shown once, stored as a digest.", no_args_is_help=True)

KeyId = Annotated[int, typer.Argument(help="Key id from 'premade key list'.")]

Label = Annotated[str, typer.Option(help="What the key is for.")]
Networks = Annotated[
    list[str] | None,
    typer.Option(
        help="Address or network from which the key works, such as 203.0.113.0/24. Repeat for several."
    ),
]


@app.command(help="Create an API key and show it once.")
def create(
    *,
    permission: Annotated[
        list[str], typer.Option(help=f"One of {', '.join(PERMISSIONS)}. Repeat for several.")
    ],
    partner: Annotated[str | None, typer.Option(help="Partner that gets the key.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="Create a key of the operator.")] = False,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="With --operator: for a gate in test mode, which admits test tickets only."
        ),
    ] = False,
    expires: Annotated[str | None, typer.Option(help="Expiry: 90d, 2026-03-31 or an RFC 3339 time.")] = None,
    label: Label = "",
    network: Networks = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show it once."""
    if (partner is None) is not operator:
        raise Invalid([FieldError("partner", field_text("option.partner_or_operator"))])
    created = operate(
        lambda database, runtime: create_key(
            database,
            runtime,
            partner=partner,
            permissions=permission,
            is_test=test,
            label=label,
            networks=network or [],
            expires_at=None if expires is None else moment(expires, "expires", runtime.now(), runtime.zone),
        )
    )
    show_one(created, as_json=as_json)


@app.command(name="list", help="List the API keys without their secrets.")
def show(*, as_json: AsJson = False) -> None:
    """List the API keys without their secrets."""
    show_rows(operate(lambda database, _: list_keys(database)), as_json=as_json)


@app.command(help="Create a successor of an API key. The old key ends after the overlap.")
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[str, typer.Option(help="Time that both keys are valid: 24h, 7d.")],
    as_json: AsJson = False,
) -> None:
    """Create a successor of an API key."""
    length = duration(overlap, "overlap")
    show_one(
        operate(lambda database, runtime: rotate_key(database, runtime, key_id, length)), as_json=as_json
    )


@app.command(name="change", help="Set the label and the allowed networks of an API key.")
def change(
    key_id: KeyId,
    *,
    label: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    network: Networks = None,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Remove the networks: the key works from all addresses.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set the label and the allowed networks of an API key. What is not given stays."""
    if network and everywhere:
        raise Invalid([FieldError("network", field_text("option.network_or_everywhere"))])

    async def change_given(database: Database, runtime: Runtime) -> ChangedKey:
        key = await key_of(database, key_id)
        networks = [] if everywhere else network or key.networks
        new_label = key.label if label is None else label
        return await change_key(database, runtime, key_id, label=new_label, networks=networks)

    show_one(operate(change_given), as_json=as_json)


@app.command(help="Revoke an API key now.")
def revoke(key_id: KeyId, *, as_json: AsJson = False) -> None:
    """Revoke an API key now."""
    show_one(operate(lambda database, runtime: revoke_key(database, runtime, key_id)), as_json=as_json)
