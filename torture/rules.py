"""Rules that the tables must keep, whatever was sent. Each yields what breaks it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from torture.tables import Tables

_ISSUED = ("PRE_GENERATED", "ACTIVE", "USED")
_OF_A_TICKET = frozenset({"ticket.activated", "ticket.cancelled", "ticket.expired", "ticket.reissued"})
_OF_A_RESERVATION = frozenset({"reservation.made", "reservation.released", "reservation.expired"})


@dataclass(frozen=True)
class Discrepancy:
    """A broken rule."""

    rule: str
    detail: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.rule}: {self.detail}"


def table_discrepancies(tables: Tables) -> Iterator[Discrepancy]:
    """Check all rules."""
    for rule in (
        _batches_are_whole,
        _orders_and_tickets_agree,
        _stock_is_conserved,
        _reservations_and_batches_agree,
        _entitlements_are_grant_minus_uses,
        _every_change_has_its_event,
    ):
        name = rule.__name__.strip("_").replace("_", " ")
        yield from (Discrepancy(name, detail) for detail in rule(tables))


def _batches_are_whole(tables: Tables) -> Iterator[str]:
    tickets = Counter((ticket.partner_id, ticket.batch_id) for ticket in tables.tickets)
    for batch in tables.batches:
        count = tickets.pop((batch.partner_id, batch.batch_id), 0)
        if count != batch.quantity - batch.to_make - batch.unmade:
            yield f"batch {batch.batch_id} of {batch.quantity} has {count} tickets"
    for _, batch_id in tickets:
        yield f"there are tickets of batch {batch_id}, which does not exist"


def _orders_and_tickets_agree(tables: Tables) -> Iterator[str]:
    orders_of: dict[str, list[str]] = defaultdict(list)
    status = {ticket.ticket_code: ticket.status for ticket in tables.tickets}
    price = {(batch.partner_id, batch.batch_id): batch.price for batch in tables.batches}
    price_of = {
        ticket.ticket_code: price.get((ticket.partner_id, ticket.batch_id)) for ticket in tables.tickets
    }
    for order in tables.orders:
        for code in order.ticket_codes:
            orders_of[code].append(order.order_id)
        cancelled = [status.get(code) == "CANCELLED" for code in order.ticket_codes]
        expected = "CANCELLED" if all(cancelled) else "PARTLY_CANCELLED" if any(cancelled) else "CONFIRMED"
        if order.status != expected:
            yield f"order {order.order_id} is {order.status}, by its tickets {expected}"
        if order.total_amount != sum(price_of.get(code) or 0 for code in order.ticket_codes):
            yield f"order {order.order_id} costs {order.total_amount}, which is not the sum of its tickets"
    for ticket in tables.tickets:
        orders = orders_of.pop(ticket.ticket_code, [])
        if orders != ([] if ticket.order_id is None else [ticket.order_id]):
            yield f"ticket {ticket.ticket_code} names order {ticket.order_id}, and is in orders {orders}"
    for code, orders in orders_of.items():
        yield f"orders {orders} name ticket {code}, which does not exist"


def _stock_is_conserved(tables: Tables) -> Iterator[str]:
    channel = {(batch.partner_id, batch.batch_id): batch.channel for batch in tables.batches}
    issued = Counter(
        (ticket.product_id, channel.get((ticket.partner_id, ticket.batch_id)))
        for ticket in tables.tickets
        if ticket.status in _ISSUED
    )
    held: Counter[tuple[int, str]] = Counter()
    for batch in tables.batches:
        issued[batch.product_id, batch.channel] += batch.to_make
    for reservation in tables.reservations:
        if reservation.ended_at is None:
            held[reservation.product_id, reservation.channel] += reservation.quantity - reservation.taken
    for row in tables.allotments:
        place = row.product_id, row.channel
        if (row.issued, row.held) != (issued[place], held[place]) or row.issued + row.held > row.allotted:
            yield (
                f"product {row.product_id}: {row.issued} issued and {row.held} held of {row.allotted},"
                f" by tickets and reservations {issued[place]} and {held[place]}"
            )


def _reservations_and_batches_agree(tables: Tables) -> Iterator[str]:
    taken: Counter[str] = Counter()
    for batch in tables.batches:
        if batch.reservation_id is not None:
            taken[batch.reservation_id] += batch.quantity
    for row in tables.reservations:
        batches = taken.pop(row.reservation_id, 0)
        if row.taken != batches or (row.end_reason == "used_up") != (row.taken == row.quantity):
            yield (
                f"reservation {row.reservation_id} of {row.quantity} ended by {row.end_reason} with {row.taken} taken,"
                f" by its batches {batches}"
            )
    for reservation_id in taken:
        yield f"there are batches of reservation {reservation_id}, which does not exist"


def _entitlements_are_grant_minus_uses(tables: Tables) -> Iterator[str]:
    granted = {
        (batch.partner_id, batch.batch_id): {
            each["function_code"]: each["remaining_uses"] for each in batch.entitlements
        }
        for batch in tables.batches
    }
    used: Counter[tuple[str, str]] = Counter()
    for event in tables.events:
        if event.event == "ticket.redeemed" and event.ticket_code is not None:
            used[event.ticket_code, event.data["function_code"]] += event.data["uses"]
    for ticket in tables.tickets:
        left = {each["function_code"]: each["remaining_uses"] for each in ticket.entitlements}
        grant = granted.get((ticket.partner_id, ticket.batch_id), {})
        expected = {name: uses - used[ticket.ticket_code, name] for name, uses in grant.items()}
        if left != expected or min(left.values(), default=0) < 0:
            yield f"ticket {ticket.ticket_code} has {left} left, by its redemptions {expected}"
        if ticket.order_id is None and left != grant:
            yield f"ticket {ticket.ticket_code} has {left} left of {grant}, and was never sold"
        if (ticket.status == "USED") != (ticket.order_id is not None and not any(left.values())):
            yield f"ticket {ticket.ticket_code} is {ticket.status} with {left} left"


def _every_change_has_its_event(tables: Tables) -> Iterator[str]:
    recorded, expected = _recorded_events(tables), _expected_events(tables)
    for event, subject in recorded | expected:
        several = recorded[event, subject], expected[event, subject]
        # A reissue with a new signing key skips issue numbers.
        is_reissue = event == "ticket.reissued" and min(several) > 0
        if several[0] != several[1] and not is_reissue:
            yield f"{subject} has {several[0]} events {event}, by its row {several[1]}"


def _recorded_events(tables: Tables) -> Counter[tuple[str, str]]:
    """Count events by kind and subject: a batch, a ticket or a reservation."""
    recorded: Counter[tuple[str, str]] = Counter()
    for event in tables.events:
        if event.event == "batch.generated" and event.batch_id is not None:
            recorded[event.event, event.batch_id] += 1
        elif event.ticket_code is not None and event.event in _OF_A_TICKET:
            recorded[event.event, event.ticket_code] += 1
        elif event.event in _OF_A_RESERVATION:
            recorded[event.event, event.data["reservation_id"]] += 1
    return recorded


def _expected_events(tables: Tables) -> Counter[tuple[str, str]]:
    """Count the events that the rows need."""
    expected: Counter[tuple[str, str]] = Counter()
    for batch in tables.batches:
        expected["batch.generated", batch.batch_id] += 1
    for reservation in tables.reservations:
        expected["reservation.made", reservation.reservation_id] += 1
        if reservation.end_reason in ("released", "expired"):
            expected[f"reservation.{reservation.end_reason}", reservation.reservation_id] += 1
    for ticket in tables.tickets:
        if ticket.order_id is not None:
            expected["ticket.activated", ticket.ticket_code] += 1
        if ticket.status in ("CANCELLED", "EXPIRED"):
            expected[f"ticket.{ticket.status.lower()}", ticket.ticket_code] += 1
        if ticket.issue_number > 1:
            expected["ticket.reissued", ticket.ticket_code] += 1
    return expected
