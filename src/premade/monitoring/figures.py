"""Figures of tickets, stock, sales and refusals, from totals only: no statement here reads a ticket or an order.

The figures are exact, except refusals: each process writes its own every few seconds.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Generic, TypedDict, TypeVar

from premade.monitoring import figures_sql as sql
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

Key = TypeVar("Key", date, int)
"""A day, or the id of a product."""
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
class Sales(Generic[Key]):
    """Sold tickets and their amount in one currency, of one day or product."""

    key: Key
    currency: str
    tickets: int
    amount: Decimal


@dataclass(frozen=True)
class Figures:
    """Figures read from one snapshot of the database."""

    tickets: list[sql.TicketFigures]
    stock: list[sql.StockFigures]
    generated: dict[tuple[int, int], sql.GeneratedFigures]
    """By partner and product, where tickets were generated in the last day."""
    sales_by_day: list[Sales[date]]
    sales_by_product: list[Sales[int]]
    refusals: list[sql.RefusalCount]
    gate_counts: list[sql.GateCount]
    """Counts at the gates in GATE_COUNTS_WINDOW, largest first, at most GATE_COUNTS_SHOWN_MAX."""
    today: date
    """In the operator's time zone."""

    def generated_lately(self, tickets: sql.TicketFigures) -> sql.GeneratedFigures:
        """Return how many of these tickets were generated in the last hour and the last day."""
        key = (tickets.partner_id, tickets.product_id)
        return self.generated.get(key) or sql.GeneratedFigures(*key, last_day=0, last_hour=0)

    @property
    def unused(self) -> int:
        """Return the number of tickets generated and not yet sold."""
        return sum(row.unused for row in self.tickets)

    @property
    def activated(self) -> int:
        """Return the number of tickets activated in ACTIVATION_WINDOW."""
        return sum(row.activated for row in self.tickets)


def activation_rate(unused: int, activated: int) -> float | None:
    """Return the tickets activated in ACTIVATION_WINDOW, divided by these and the unused ones; None without tickets."""
    return activated / (unused + activated) if unused + activated else None


def seconds_left(stock: sql.StockFigures) -> float | None:
    """Return the seconds until an allotment is exhausted at the rate of STOCK_RATE_WINDOW; None at a rate of 0."""
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
    """Return the parameters of the statements `tickets`, `stock` and `generated`."""
    now, today = runtime.now(), runtime.today()
    start = now - ACTIVATION_WINDOW
    return {
        "partner_id": partner_id,
        "now": now,
        # Begin at the start of a span: activations are stored by spans.
        "since": start - timedelta(seconds=start.timestamp() % SPAN.total_seconds()),
        "rate_since": now - STOCK_RATE_WINDOW,
        "today": today,
        "soon": today + EXPIRING_WITHIN,
        "hour_ago": now - timedelta(hours=1),
        "day_ago": now - timedelta(days=1),
    }


async def read_figures(database: Database, runtime: Runtime, partner_id: int | None, days: int) -> Figures:
    """Return the figures of one partner or ALL_PARTNERS, with sales and refusals of the last `days` days."""
    at = moments(runtime, partner_id)
    first = at["today"] - timedelta(days=days - 1)
    last = at["today"]
    # One snapshot for all statements, so that the figures agree. Most read nearly whole, small tables.
    async with database.long_read(whole_tables=True) as tx:
        tickets = await tx.fetch_all(
            sql.tickets,
            partner_id=partner_id,
            today=at["today"],
            soon=at["soon"],
            since=at["since"],
        )
        stock = await tx.fetch_all(
            sql.stock, partner_id=partner_id, now=at["now"], rate_since=at["rate_since"]
        )
        generated = await tx.fetch_all(sql.generated, hour_ago=at["hour_ago"], day_ago=at["day_ago"])
        sales = await tx.fetch_all(
            sql.sales, first=first, last=last, zone=str(runtime.zone), partner_id=partner_id
        )
        refusals = await tx.fetch_all(sql.refusals, first=first, last=last, partner_id=partner_id)
        gate_counts = await tx.fetch_all(
            sql.gate_counts,
            partner_id=partner_id,
            since_day=at["today"] - GATE_COUNTS_WINDOW,
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
        last,
    )


def _sales(row: sql.SalesFigures, key: Key) -> Sales[Key]:
    return Sales(key, row.currency, row.tickets, row.amount)
