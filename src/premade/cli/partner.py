"""`premade partner`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.limits.partner_limits import PARTNER_LIMITS
from premade.partners.limits import BY_THE_SETTINGS, limits_of, set_limits
from premade.partners.partner import (
    RESERVATION_HOURS_DEFAULT,
    add_partner,
    list_partners,
    partner_id_of,
    rename_partner,
    set_disabled,
    set_reservation_hours,
)
from premade.partners.partner_sql import PartnerRow
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.values.operator_input import plain_number

app = typer.Typer(help="Partners: online travel agencies.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the partner.")]


@app.command(help="Add a partner, and its channel if it does not exist.")
def add(
    name: Name,
    *,
    channel: Annotated[
        str | None, typer.Option(help="Channel whose stock the partner sells. Default: 'ota'.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Add a test partner with its own channel.")] = False,
    reservation_hours: Annotated[
        int, typer.Option(help="Maximum duration of a reservation, in hours.")
    ] = RESERVATION_HOURS_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Add a partner, and its channel if it does not exist."""
    added = operate(
        lambda database, runtime: add_partner(
            database,
            runtime,
            name,
            channel=channel,
            is_test=test,
            reservation_hours_max=reservation_hours,
        )
    )
    show_one(added, as_json=as_json)


@app.command(name="set", help="Change a partner's name or limits.")
def change(
    name: Name,
    *,
    reservation_hours: Annotated[
        int | None, typer.Option(help="Maximum duration of a reservation, in hours.")
    ] = None,
    new_name: Annotated[str | None, typer.Option("--name", help="New name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a partner's name or limits."""
    if (reservation_hours is None) == (new_name is None):
        raise Invalid([FieldError("name", field_text("option.name_or_hours"))])

    async def act(database: Database, runtime: Runtime) -> PartnerRow:
        if new_name is not None:
            return await rename_partner(database, runtime, name, new_name)
        assert reservation_hours is not None
        return await set_reservation_hours(database, runtime, name, reservation_hours)

    show_one(operate(act), as_json=as_json)


@app.command(help="Show a partner's own limits, and change them. For all others the settings apply.")
def limits(
    name: Name,
    *,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Such as 'rate-read=600', 'unused-tickets=0' for none, or 'rate-read=default'."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a partner's own limits, and change them."""
    new_values = dict(_limit(text) for text in changes or [])

    async def act(database: Database, runtime: Runtime) -> dict[str, int]:
        if new_values:
            return await set_limits(database, runtime, name, new_values)
        return await limits_of(database, await partner_id_of(database, name))

    own = operate(act)
    show_rows(
        [LimitLine(limit, own.get(limit, BY_THE_SETTINGS)) for limit in PARTNER_LIMITS], as_json=as_json
    )


@dataclass(slots=True)
class LimitLine:
    """A limit of a partner, as the command shows it."""

    limit: str
    value: int | str


def _limit(text: str) -> tuple[str, int | None]:
    name, _, value = text.partition("=")
    number = plain_number(value)
    if number is None and value != BY_THE_SETTINGS:
        raise Invalid([FieldError("set", field_text("limit.form"))])
    return name, number


@app.command(name="list", help="List the partners.")
def show(*, as_json: AsJson = False) -> None:
    """List the partners."""
    show_rows(operate(lambda database, _: list_partners(database)), as_json=as_json)


@app.command(help="Disable a partner. Its API keys stop working within seconds.")
def disable(name: Name, *, as_json: AsJson = False) -> None:
    """Disable a partner."""
    changed = operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=True))
    show_one(changed, as_json=as_json)


@app.command(help="Enable a disabled partner.")
def enable(name: Name, *, as_json: AsJson = False) -> None:
    """Enable a disabled partner."""
    changed = operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=False))
    show_one(changed, as_json=as_json)
