"""`premade sales`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_rows
from premade.monitoring.figures import ALL_PARTNERS, Sales, read_figures
from premade.partners.partner import partner_id_of
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

DAYS_DEFAULT, DAYS_MAX = 30, 366


class By(StrEnum):
    """The rows of the list."""

    DAY = "day"
    PRODUCT = "product"


def sales(
    *,
    partner: Annotated[
        str | None, typer.Option(help="Only of this partner. Without it, of all live partners.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=DAYS_MAX, help="How many days, until today.")
    ] = DAYS_DEFAULT,
    by: Annotated[By, typer.Option(help="A row for each.")] = By.DAY,
    as_json: AsJson = False,
) -> None:
    """List the activated tickets and their amounts."""
    key = "product_id" if by is By.PRODUCT else "day"

    async def read(database: Database, runtime: Runtime) -> list[Mapping[str, object]]:
        partner_id = ALL_PARTNERS if partner is None else await partner_id_of(database, partner)
        figures = await read_figures(database, runtime, partner_id, days)
        rows: list[Sales[Any]] = [*(figures.sales_by_product if by is By.PRODUCT else figures.sales_by_day)]
        return [
            {key: row.key, "tickets": row.tickets, "amount": row.amount, "currency": row.currency}
            for row in rows
        ]

    show_rows(operate(read), as_json=as_json)
