"""`premade restored`."""

from typing import Annotated

import typer

from premade.audit.record import COMMAND
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.tickets.incarnation import CLOCK_LEAD_SECONDS_MAX, begin_incarnation


def restored(
    *,
    clock_lead: Annotated[
        int,
        typer.Option(
            min=0,
            max=CLOCK_LEAD_SECONDS_MAX,
            help="By how many seconds the database's clock was ahead before the restore.",
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Tell premade that the database was restored, so that it never gives out a forgotten code or id again.

    Restored dumps, copied files and promoted standbys are noticed without this command. A restored disk may not be.
    """
    done = operate(
        lambda database, runtime: begin_incarnation(
            database, runtime, clock_lead_seconds=clock_lead, actor=COMMAND
        )
    )
    show_one(
        {
            "signing_keys": done["signing_key_ids"] or "unchanged",
            "clock_lead_seconds": done["clock_lead_seconds"],
        },
        as_json=as_json,
    )
