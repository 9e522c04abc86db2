"""Rules about reads: a list and an export show every change that was answered before, and nothing that never was."""

import re
from collections.abc import Iterable, Iterator

from torture.journal import Exchange, Response
from torture.operations import codes_of_order
from torture.rules import Discrepancy
from torture.tables import TicketIndex

_BATCH = re.compile(r"/batches/([^/]+)/tickets|batch_id=([^&]+)")
_STEP = {"PRE_GENERATED": 0, "ACTIVE": 1, "USED": 2, "EXPIRED": 2, "CANCELLED": 2}
"""States in the order in which a ticket can have them. From one of the last there is no change."""
_READS = frozenset({"list_tickets", "export"})
_SALES = frozenset({"activate", "draw", "order"})


def read_discrepancies(exchanges: Iterable[Exchange], tickets: TicketIndex) -> Iterator[Discrepancy]:
    """Compare each read with the tables and with the sales that were answered before it."""
    reads: list[Exchange] = []
    sold_at: dict[str, float] = {}
    for exchange in exchanges:
        success = exchange.success
        if exchange.request.kind in _READS:
            reads.append(exchange)
        elif exchange.request.kind in _SALES and success is not None and success.body is not None:
            sold_at.update(dict.fromkeys(codes_of_order(success.body), success.ended_at))
    for exchange in reads:
        for response in exchange.responses:
            if response.is_success:
                for wrong in _differences(exchange, response, tickets, sold_at):
                    yield Discrepancy(
                        "a read shows what was answered before", f"{exchange.request.path}: {wrong}"
                    )


def _differences(
    exchange: Exchange, response: Response, tickets: TicketIndex, sold_at: dict[str, float]
) -> Iterator[str]:
    found = _BATCH.search(exchange.request.path)
    assert found is not None
    assert response.body is not None
    rows = {
        ticket.ticket_code: ticket
        for ticket in tickets.of_batch(exchange.request.partner_id, found[1] or found[2])
    }
    shown: dict[str, tuple[str, str | None]] = response.body["tickets"]
    for code in rows.keys() ^ shown.keys():
        yield f"{code} is in the {'table' if code in rows else 'response'} only"
    for code in rows.keys() & shown.keys():
        status, order_id = shown[code]
        row = rows[code]
        is_over = _STEP[status] == max(_STEP.values())
        if _STEP[status] > _STEP[row.status] or (is_over and status != row.status):
            yield f"{code} was {status} and is {row.status}"
        if order_id is None and sold_at.get(code, response.began_at) < response.began_at:
            yield f"{code} was sold before, and has no order"
        if order_id is not None and order_id != row.order_id:
            yield f"{code} had order {order_id} and has {row.order_id}"
