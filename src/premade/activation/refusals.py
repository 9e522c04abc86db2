"""Why a ticket, or an order of several, is not sold. Pure."""

from collections.abc import Mapping
from typing import Any

from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict, DomainError, Exhausted, IdempotencyKeyReused, NotFound
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import cancelled, expired


class AlreadyActivated(Conflict):
    """A ticket is activated once, and this one was: 'activated_at', 'order_id' and 'payment_reference' say when and by which sale. Nothing was changed."""

    code = "ALREADY_ACTIVATED"
    title = "The ticket is activated already"
    remedy = "If the payment_reference is this sale's, the sale is done: an earlier try succeeded. Otherwise sell another ticket. With an Idempotency-Key a retry is answered like the first try."


class BatchShort(Exhausted):
    """The batch has fewer unused tickets left than were asked for: 'available' says how many. Nothing was sold."""

    code = "BATCH_SHORT"
    title = "Not enough tickets of the batch are left"
    remedy = "Ask for at most the number in 'available', or draw from another batch."


class TicketsUnknown(NotFound):
    """An order is of all its tickets or of none, and some of these codes are of no ticket, or another partner's: 'tickets' names every one that cannot be sold, and why. Nothing was sold."""

    code = "TICKETS_UNKNOWN"
    title = "There are no such tickets"
    remedy = "Check the codes in 'tickets' against the batches that you generated."


class TicketsNotSellable(Conflict):
    """An order is of all its tickets or of none, and some of these cannot be sold: 'tickets' names every one, and why. Nothing was sold."""

    code = "TICKETS_NOT_SELLABLE"
    title = "Some of the tickets cannot be sold"
    remedy = "Order again with other tickets in the place of those in 'tickets'."


class CurrenciesDiffer(Conflict):
    """An order has one currency, and these tickets have several: 'currencies' lists them. Nothing was sold."""

    code = "CURRENCIES_DIFFER"
    title = "The tickets are priced in several currencies"
    remedy = "Make one order for each currency."


Outcome = Mapping[str, Any]
"""What a statement found out about one ticket: 'outcome' in a word, and what explains it."""


def refusal_of(code: str, outcome: Outcome) -> DomainError:
    """Why the ticket `code` is not sold."""
    kind = outcome["outcome"]
    if kind == "unknown":
        return ticket_unknown(code)
    if kind == "expired":
        return expired(code, outcome["valid_until"])
    if kind == "cancelled":
        return cancelled(code)
    return _already_activated(code, outcome)


def _already_activated(code: str, outcome: Outcome) -> AlreadyActivated:
    when = rfc3339(outcome["activated_at"])
    message = (
        f"Ticket {code} was activated at {when} by order {outcome['order_id']} "
        f"for payment {outcome['payment_reference']}."
    )
    return AlreadyActivated(
        message,
        activated_at=when,
        order_id=outcome["order_id"],
        payment_reference=outcome["payment_reference"],
    )


def key_reused(order_id: str) -> IdempotencyKeyReused:
    """The key made the order `order_id` with another request."""
    message = f"It made order {order_id} before. Use a new key for a new request."
    return IdempotencyKeyReused(message, order_id=order_id)


def refusal_of_order(tickets: int, refused: list[tuple[str, DomainError]]) -> DomainError:
    """Why an order of so many `tickets` is not made: `refused` are the codes that cannot be sold, and why."""
    kind = TicketsUnknown if any(isinstance(why, NotFound) for _, why in refused) else TicketsNotSellable
    return kind(
        f"{len(refused)} of {tickets} tickets cannot be sold; none was.",
        tickets=[{"ticket_code": code, "code": why.code, "detail": why.detail} for code, why in refused],
    )
