"""The checker: compare what clients wrote down with the tables."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from torture.journal import TOO_MANY, UNAVAILABLE, Exchange, Response
from torture.operations import OPERATIONS, codes_of_order
from torture.reads import read_discrepancies
from torture.rules import Discrepancy, table_discrepancies
from torture.scans import upload_discrepancies
from torture.tables import (
    BatchRow,
    EventRow,
    Keyed,
    OrderRow,
    ReservationRow,
    Tables,
    TicketIndex,
)

CONFLICT = 409
REFUSALS = frozenset({CONFLICT})
"""Refusals that the clients' requests can meet. Any other, such as 404 for a ticket that was generated, is a discrepancy."""
_PRECISION = timedelta(milliseconds=1)


def check(exchanges: list[Exchange], tables: Tables) -> list[Discrepancy]:
    """Return everything that is lost, doubled, half done, or answered or shown wrongly."""
    rows = tables.by_key()
    releases = {
        event.data["reservation_id"]: event
        for event in tables.events
        if event.event == "reservation.released"
    }
    tickets = TicketIndex(tables.tickets)
    writes = [exchange for exchange in exchanges if not OPERATIONS[exchange.request.kind].is_read]
    uploads = [exchange for exchange in writes if exchange.request.kind == "sync"]
    return [
        *(discrepancy for exchange in exchanges for discrepancy in _statuses_are_allowed(exchange)),
        *(discrepancy for exchange in writes for discrepancy in _responses_agree(exchange)),
        *(
            discrepancy
            for exchange in writes
            if exchange.request.kind != "sync"
            for discrepancy in _outcome_is_in_the_tables(
                exchange, rows.get(exchange.request.key) or _earlier_release(exchange, releases), tickets
            )
        ),
        *upload_discrepancies(uploads, rows),
        *read_discrepancies(exchanges, tickets),
        *_ids_are_given_once(exchanges),
        *_rows_were_requested(exchanges, tables),
        *table_discrepancies(tables),
    ]


def _statuses_are_allowed(exchange: Exchange) -> Iterator[Discrepancy]:
    for response in exchange.responses:
        status = response.status
        if not response.is_readable:
            yield Discrepancy("a response has its form", _described(exchange, response))
            continue
        if not (
            status is None or response.is_success or status in REFUSALS or status in (TOO_MANY, UNAVAILABLE)
        ):
            yield Discrepancy("a response has an allowed status", _described(exchange, response))


def _responses_agree(exchange: Exchange) -> Iterator[Discrepancy]:
    successes = [response.body for response in exchange.responses if response.is_success]
    if any(body != successes[0] for body in successes):
        yield Discrepancy("a retry gets the first response again", f"{exchange.request}: {successes}")
    decisive = {response.status for response in exchange.responses if response.is_decisive}
    if successes and CONFLICT in decisive:
        yield Discrepancy("a request is executed or refused, not both", f"{exchange.request}: {decisive}")


def _described(exchange: Exchange, response: Response) -> str:
    request = exchange.request
    return f"{request.kind} {request.path} with key {request.key} got {response.status} {response.body} ({response.via})"


def _earlier_release(exchange: Exchange, releases: dict[str, EventRow]) -> list[Keyed]:
    """Return the event of another request that had released the reservation: then this one succeeds, and leaves no event."""
    if exchange.request.kind != "release" or exchange.success is None or exchange.success.body is None:
        return []
    earlier = releases.get(exchange.success.body["reservation_id"])
    return [] if earlier is None else [earlier]


def _outcome_is_in_the_tables(
    exchange: Exchange, rows: list[Keyed], tickets: TicketIndex
) -> Iterator[Discrepancy]:
    """Compare one request with the rows that have its key: one after a 2xx, none after a refusal, either after a loss."""
    request, success = exchange.request, exchange.success
    if success is not None:
        if not rows:
            yield Discrepancy("an answered change is in the tables", _described(exchange, success))
        elif differences := list(_differences(success.body or {}, rows[0], tickets)):
            yield Discrepancy(
                "the tables have the values answered",
                f"{_described(exchange, success)}: {', '.join(differences)}",
            )
    elif exchange.decisive is not None and rows:
        yield Discrepancy(
            "a refused request changes nothing", f"{_described(exchange, exchange.decisive)}: {rows}"
        )
    if len(rows) > 1:
        yield Discrepancy("a request is executed once", f"{request.kind} with key {request.key} left {rows}")


def _differences(body: dict[str, Any], row: Keyed, tickets: TicketIndex) -> Iterator[str]:
    """Yield in what the response differs from the row."""
    match row:
        case BatchRow():
            yield from _of_batch(body, row, tickets)
        case OrderRow():
            yield from _of_order(body, row, tickets)
        case ReservationRow():
            yield from _unequal("reservation_id", body["reservation_id"], row.reservation_id)
            yield from _unequal("quantity", body["quantity"], row.quantity)
        case EventRow():
            yield from _of_event(body, row, tickets)


def _unequal(name: str, answer: Any, stored: Any) -> Iterator[str]:
    if answer != stored:
        yield f"{name} is {stored!r}"


def _of_batch(body: dict[str, Any], row: BatchRow, tickets: TicketIndex) -> Iterator[str]:
    yield from _unequal("batch_id", body["batch_id"], row.batch_id)
    yield from _unequal("quantity", len(body["tickets"]), row.quantity)
    for each in body["tickets"]:
        ticket = tickets.get(each["ticket_code"])
        if ticket is None:
            yield f"{each['ticket_code']} is missing"
            continue
        yield from _unequal("batch of the ticket", body["batch_id"], ticket.batch_id)
        if ticket.issue_number == 1:
            yield from _unequal("token", each["qr_token"], ticket.token)


def _of_order(body: dict[str, Any], row: OrderRow, tickets: TicketIndex) -> Iterator[str]:
    yield from _unequal("order_id", body["order_id"], row.order_id)
    yield from _unequal("tickets", sorted(codes_of_order(body)), sorted(row.ticket_codes))
    yield from _unequal("customer", body["customer_name"], row.customer_name)
    yield from _unequal("payment_reference", body["payment_reference"], row.payment_reference)
    yield from _unequal("total_amount", Decimal(body["total_amount"]), row.total_amount)
    yield from _unequal("currency", body["currency"], row.currency)
    if abs(datetime.fromisoformat(body["activated_at"]) - row.created_at) >= _PRECISION:
        yield f"time is {row.created_at}"
    for code in row.ticket_codes:
        ticket = tickets.get(code)
        yield from _unequal(f"order of {code}", body["order_id"], ticket and ticket.order_id)


def _of_event(body: dict[str, Any], row: EventRow, tickets: TicketIndex) -> Iterator[str]:
    ticket = tickets.get(row.ticket_code)
    match row.event:
        case "ticket.cancelled":
            yield from _unequal("ticket_code", body["ticket_code"], row.ticket_code)
            yield from _unequal("status", "CANCELLED", ticket and ticket.status)
        case "ticket.reissued":
            yield from _unequal("ticket_code", body["ticket_code"], row.ticket_code)
            yield from _unequal("issue_number", body["issue_number"], row.data["issue_number"])
            if ticket is None or ticket.issue_number < body["issue_number"]:
                yield f"the ticket is {ticket}"
            elif ticket.issue_number == body["issue_number"]:
                yield from _unequal("token", body["qr_token"], ticket.token)
        case "ticket.redeemed":
            yield from _unequal("ticket_code", body["ticket_code"], row.ticket_code)
            left = {each["function_code"]: each["remaining_uses"] for each in row.data["entitlements"]}
            yield from _unequal("remaining", body["remaining"], left[row.data["function_code"]])
        case "batch.cancelled":
            yield from _unequal("cancelled", body["cancelled"], row.data["cancelled"])
            for each in tickets.of_batch(row.partner_id, row.batch_id):
                if each.status == "PRE_GENERATED":
                    yield f"{each.ticket_code} is not cancelled"
        case "reservation.released":
            yield from _unequal("reservation_id", body["reservation_id"], row.data["reservation_id"])
        case _:
            yield f"the event is {row.event}"


def _ids_are_given_once(exchanges: list[Exchange]) -> Iterator[Discrepancy]:
    """Look for a code, an id, a reissued QR or the sale of a ticket in the responses to two requests."""
    given: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    for exchange in exchanges:
        success = exchange.success
        if success is None or success.body is None:
            continue
        match exchange.request.kind:
            case "generate" | "generate_from_reservation":
                given.update({each["ticket_code"] for each in success.body["tickets"]})
            case "activate" | "draw" | "order":
                given[success.body["order_id"]] += 1
                sold.update(codes_of_order(success.body))
            case "reserve":
                given[success.body["reservation_id"]] += 1
            case "reissue":
                given[success.body["qr_token"]] += 1
            case _:
                continue
    for rule, names in (("a code or an id is given once", given), ("a ticket is sold once", sold)):
        for name, times in names.items():
            if times > 1:
                yield Discrepancy(rule, f"{name} is in the responses to {times} requests")


def _rows_were_requested(exchanges: list[Exchange], tables: Tables) -> Iterator[Discrepancy]:
    """Look for a row without a key, and for a row or an event whose key no client has sent."""
    sent = {exchange.request.key for exchange in exchanges}
    for row in (*tables.orders, *tables.batches, *tables.reservations):
        if row.idempotency_key is None:
            yield Discrepancy("a row was requested", f"it has no key: {row}")
    for key, rows in tables.by_key().items():
        if key not in sent:
            yield Discrepancy("a row was requested", f"nobody has sent {rows}")
