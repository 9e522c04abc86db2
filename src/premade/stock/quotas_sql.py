"""Statements of `quotas.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class StockOfPartner:
    """Tickets and reservations of a partner. `allotted`: of the product in its channel, for all partners of the channel."""

    unused: int
    unused_of_product: int
    open_reservations: int
    held_of_product: int
    allotted: int


@statement
def take_turn(*, partner_id: int) -> str: ...


@statement
def stock_of_partner(*, partner_id: int, product_id: int, channel: str, now: datetime) -> StockOfPartner: ...
