"""Why a ticket, or an order of several, is not sold. Pure."""

from premade.activation.activate_sql import ActivationResult
from premade.activation.order_sql import ListedTicket
from premade.activation.outcome import Outcome
from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict, DomainError, Exhausted, IdempotencyKeyReused, NotFound
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import cancelled, expired


class AlreadyActivated(Conflict):
    """Another request has activated the ticket."""

    code = "ALREADY_ACTIVATED"


class BatchShort(Exhausted):
    """The batch has fewer unused tickets than requested."""

    code = "BATCH_SHORT"


class TicketsUnknown(NotFound):
    """Some of these codes do not exist or belong to another partner."""

    code = "TICKETS_UNKNOWN"


class TicketsNotSellable(Conflict):
    """Some tickets of an order cannot be activated, so none is."""

    code = "TICKETS_NOT_SELLABLE"


class CurrenciesDiffer(Conflict):
    """The tickets of an order have different currencies."""

    code = "CURRENCIES_DIFFER"


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
