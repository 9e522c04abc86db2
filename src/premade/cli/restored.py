"""`premade restored`."""

from typing import Annotated

import typer

from premade.audit.actors import COMMAND
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.tickets.incarnation import CLOCK_LEAD_SECONDS_MAX, begin_incarnation

ClockLead = Annotated[
    int,
    typer.Option(
        min=0,
        max=CLOCK_LEAD_SECONDS_MAX,
        help="Seconds by which the database's clock was ahead before the restore.",
    ),
]


def restored(
    *,
    clock_lead: ClockLead = 0,
    as_json: AsJson = False,
) -> None:
    """Report a restore of the database, so that no forgotten code or id is issued again."""
    event = operate(
        lambda database, runtime: begin_incarnation(
            database, runtime, clock_lead_seconds=clock_lead, actor=COMMAND
        )
    )
    show_one(
        {
            "signing_keys": event.signing_key_ids or "unchanged",
            "clock_lead_seconds": event.clock_lead_seconds,
        },
        as_json=as_json,
    )
