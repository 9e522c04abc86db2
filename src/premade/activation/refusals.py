"""Why a ticket, or an order of several, is not sold. Pure."""

from premade.activation.activate_sql import ActivationResult
from premade.activation.order_sql import ListedTicket
from premade.activation.outcome import Outcome
from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict, DomainError, Exhausted, IdempotencyKeyReused, NotFound
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import cancelled, expired


class AlreadyActivated(Conflict):
    """Another request has activated the ticket. 'activated_at', 'order_id' and 'payment_reference' describe
    it. Nothing was changed.
    """

    code = "ALREADY_ACTIVATED"
    title = "The ticket is already activated"
    remedy = (
        "If 'payment_reference' is from your sale, an earlier try succeeded and the sale is complete. "
        "Otherwise sell another ticket. Send an Idempotency-Key: a retry then gets the response of the "
        "first try."
    )


class BatchShort(Exhausted):
    """The batch has fewer unused tickets than requested; 'available' is their number. Nothing was activated."""

    code = "BATCH_SHORT"
    title = "Not enough unused tickets in the batch"
    remedy = "Request at most 'available' tickets, or draw from another batch."


class TicketsUnknown(NotFound):
    """Some of these codes do not exist or belong to another partner. 'tickets' lists every ticket that cannot
    be activated, with the reason. Nothing was activated.
    """

    code = "TICKETS_UNKNOWN"
    title = "Unknown tickets"
    remedy = "Check the codes in 'tickets' against the batches that you generated."


class TicketsNotSellable(Conflict):
    """An order activates all its tickets or none. 'tickets' lists every ticket that cannot be activated, with
    the reason. Nothing was activated.
    """

    code = "TICKETS_NOT_SELLABLE"
    title = "Some of the tickets cannot be activated"
    remedy = "Replace the tickets in 'tickets' and send the order again."


class CurrenciesDiffer(Conflict):
    """An order has one currency. The prices of these tickets have several; 'currencies' lists them. Nothing
    was activated.
    """

    code = "CURRENCIES_DIFFER"
    title = "The tickets have different currencies"
    remedy = "Send one order for each currency."


Unsold = ActivationResult | ListedTicket
"""What a statement found out about one ticket: 'outcome' in a word, and what explains it."""


def refusal_of(code: str, found: Unsold) -> DomainError:
    """Why the ticket `code` is not sold."""
    if found.outcome is Outcome.UNKNOWN:
        return ticket_unknown(code)
    if found.outcome is Outcome.EXPIRED:
        return expired(code, found.valid_until)
    if found.outcome is Outcome.CANCELLED:
        return cancelled(code)
    return _already_activated(code, found)


def _already_activated(code: str, found: Unsold) -> AlreadyActivated:
    assert found.activated_at is not None
    when = rfc3339(found.activated_at)
    message = (
        f"Ticket {code} was activated at {when} by order {found.order_id} "
        f"for payment {found.payment_reference}."
    )
    return AlreadyActivated(
        message,
        activated_at=when,
        order_id=found.order_id,
        payment_reference=found.payment_reference,
    )


def key_reused(order_id: str) -> IdempotencyKeyReused:
    """The key made the order `order_id` with another request."""
    message = (
        f"This Idempotency-Key was already used for order {order_id}. Send a new key with a new request."
    )
    return IdempotencyKeyReused(message, order_id=order_id)


def refusal_of_order(tickets: int, refused: list[tuple[str, DomainError]]) -> DomainError:
    """Why an order of so many `tickets` is not made: `refused` are the codes that cannot be sold, and why."""
    kind = TicketsUnknown if any(isinstance(why, NotFound) for _, why in refused) else TicketsNotSellable
    return kind(
        f"{len(refused)} of {tickets} tickets cannot be sold; none was.",
        tickets=[{"ticket_code": code, "code": why.code, "detail": why.detail} for code, why in refused],
    )
