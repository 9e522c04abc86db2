"""Figures of tickets, stock, sales and refusals, from sums alone: no statement here reads a ticket or an order.

They are exact at the moment of looking, but for refusals, which each process writes down every few seconds.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from premade.monitoring import figures_sql as sql
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

ALL_PARTNERS = None
"""In place of a partner's id: all but test partners."""
ACTIVATION_WINDOW = timedelta(hours=24)
SPAN = timedelta(minutes=5)
STOCK_RATE_WINDOW = timedelta(days=7)
EXPIRING_WITHIN = timedelta(days=14)
GATE_COUNTS_WINDOW = timedelta(days=6)
"""Before today."""
GATE_COUNTS_SHOWN_MAX = 20


@dataclass(frozen=True)
class Sales:
    """What was sold, in one currency. `key` is the day, or the product's id."""

    key: Any
    currency: str
    tickets: int
    amount: Decimal


@dataclass(frozen=True)
class Figures:
    """What one look at the sums shows. The rows are those of the statements."""

    tickets: list[sql.TicketFigures]
    stock: list[sql.StockFigures]
    generated: dict[tuple[int, int], sql.GeneratedFigures]
    """By partner and product; only where something was generated within a day."""
    sales_by_day: list[Sales]
    sales_by_product: list[Sales]
    refusals: list[sql.RefusalCount]
    gate_counts: list[sql.GateCount]
    """Return the counts at the gates in GATE_COUNTS_WINDOW, largest first: at most GATE_COUNTS_SHOWN_MAX."""

    def generated_lately(self, tickets: sql.TicketFigures) -> sql.GeneratedFigures:
        """Return how many of a row of `tickets` were generated in the `last_hour` and the `last_day`."""
        key = (tickets.partner_id, tickets.product_id)
        return self.generated.get(key) or sql.GeneratedFigures(*key, last_day=0, last_hour=0)

    @property
    def unused(self) -> int:
        """Tickets that are generated and not yet sold."""
        return sum(row.unused for row in self.tickets)

    @property
    def activated(self) -> int:
        """Tickets activated in ACTIVATION_WINDOW."""
        return sum(row.activated for row in self.tickets)


def activation_rate(unused: int, activated: int) -> float | None:
    """Activated in ACTIVATION_WINDOW, divided by those and the unused ones; None where there was nothing to sell."""
    return activated / (unused + activated) if unused + activated else None


def seconds_left(stock: sql.StockFigures) -> float | None:
    """Until an allotment is used up at the rate of STOCK_RATE_WINDOW; None where nobody took of it."""
    if not stock.issued_lately:
        return None
    return stock.available * STOCK_RATE_WINDOW.total_seconds() / stock.issued_lately


class Moments(TypedDict):
    """Parameters of the statements `tickets`, `stock` and `generated`."""

    partner_id: int | None
    now: datetime
    since: datetime
    rate_since: datetime
    today: date
    soon: date
    hour_ago: datetime
    day_ago: datetime


def moments(runtime: Runtime, partner_id: int | None) -> Moments:
    """What the statements `tickets`, `stock` and `generated` are asked with."""
    now, today = runtime.now(), runtime.today()
    start = now - ACTIVATION_WINDOW
    return {
        "partner_id": partner_id,
        "now": now,
        # From the start of a span: that is as fine as activations are kept.
        "since": start - timedelta(seconds=start.timestamp() % SPAN.total_seconds()),
        "rate_since": now - STOCK_RATE_WINDOW,
        "today": today,
        "soon": today + EXPIRING_WITHIN,
        "hour_ago": now - timedelta(hours=1),
        "day_ago": now - timedelta(days=1),
    }


async def read_figures(database: Database, runtime: Runtime, partner_id: int | None, days: int) -> Figures:
    """Of one partner or ALL_PARTNERS; sales and refusals of so many days, the last of which is today."""
    asked = moments(runtime, partner_id)
    first = asked["today"] - timedelta(days=days - 1)
    last = asked["today"]
    # One moment for all of them, so that they agree with each other; most are of nearly whole, small tables.
    async with database.long_read(whole_tables=True) as tx:
        tickets = await tx.fetch_all(
            sql.tickets,
            partner_id=partner_id,
            today=asked["today"],
            soon=asked["soon"],
            since=asked["since"],
        )
        stock = await tx.fetch_all(
            sql.stock, partner_id=partner_id, now=asked["now"], rate_since=asked["rate_since"]
        )
        generated = await tx.fetch_all(sql.generated, hour_ago=asked["hour_ago"], day_ago=asked["day_ago"])
        sales = await tx.fetch_all(
            sql.sales, first=first, last=last, zone=str(runtime.zone), partner_id=partner_id
        )
        refusals = await tx.fetch_all(sql.refusals, first=first, last=last, partner_id=partner_id)
        gate_counts = await tx.fetch_all(
            sql.gate_counts,
            partner_id=partner_id,
            since_day=asked["today"] - GATE_COUNTS_WINDOW,
            rows_max=GATE_COUNTS_SHOWN_MAX,
        )
    return Figures(
        tickets,
        stock,
        {(row.partner_id, row.product_id): row for row in generated},
        [_sales(row, row.day) for row in sales if row.day is not None],
        [_sales(row, row.product_id) for row in sales if row.day is None and row.product_id is not None],
        refusals,
        gate_counts,
    )


def _sales(row: sql.SalesFigures, key: date | int) -> Sales:
    return Sales(key, row.currency, row.tickets, row.amount)
