"""Errors of activations."""

from dataclasses import dataclass
from datetime import datetime

from premade.activation.activate_sql import ActivationResult
from premade.activation.order_sql import TicketToSell
from premade.activation.outcome import SaleOutcome
from premade.runtime.errors import Conflict, DomainError, Exhausted, NotFound
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import TicketCancelled, TicketExpired


@dataclass(eq=False)
class AlreadyActivated(Conflict):
    """Another request has activated the ticket."""

    code = "ALREADY_ACTIVATED"
    published = ("activated_at", "order_id", "payment_reference")

    ticket_code: str
    activated_at: datetime
    order_id: str | None
    payment_reference: str | None


@dataclass(eq=False)
class BatchShort(Exhausted):
    """The batch has fewer unused tickets than requested."""

    code = "BATCH_SHORT"
    published = ("batch_id", "requested", "available")

    batch_id: str
    requested: int
    available: int


@dataclass(eq=False)
class _OrderRefused:
    """An order activates all its tickets or none, and some cannot be activated."""

    published = ("tickets",)

    total: int
    tickets: list[dict[str, str]]
    """The codes that cannot be activated, each with the problem of a single activation."""

    @property
    def refused(self) -> int:
        """Return how many cannot be activated."""
        return len(self.tickets)


class TicketsUnknown(_OrderRefused, NotFound):
    """Some of these codes do not exist or belong to another partner."""

    code = "TICKETS_UNKNOWN"


class TicketsNotSellable(_OrderRefused, Conflict):
    """Some tickets of an order cannot be activated, so none is."""

    code = "TICKETS_NOT_SELLABLE"


@dataclass(eq=False)
class CurrenciesDiffer(Conflict):
    """The tickets of an order have different currencies."""

    code = "CURRENCIES_DIFFER"
    published = ("currencies",)

    currencies: list[str]


Unsold = ActivationResult | TicketToSell
"""A statement's row of a ticket that cannot be activated."""


def refusal_of(code: str, unsold: Unsold) -> DomainError:
    """Return the error of the ticket's outcome."""
    if unsold.outcome is SaleOutcome.UNKNOWN:
        return ticket_unknown(code)
    if unsold.outcome is SaleOutcome.EXPIRED:
        return TicketExpired("ticket", code, unsold.valid_until)
    if unsold.outcome is SaleOutcome.CANCELLED:
        return TicketCancelled(code)
    return _already_activated(code, unsold)


def _already_activated(code: str, unsold: Unsold) -> AlreadyActivated:
    assert unsold.activated_at is not None
    return AlreadyActivated(code, unsold.activated_at, unsold.order_id, unsold.payment_reference)


def refusal_of_order(tickets: int, refused: list[tuple[str, DomainError]]) -> DomainError:
    """Return the error of an order of so many `tickets`. `refused`: the codes that cannot be activated, each with its error."""
    kind = TicketsUnknown if any(isinstance(why, NotFound) for _, why in refused) else TicketsNotSellable
    return kind(
        tickets, [{"ticket_code": code, "code": why.code, "detail": why.detail} for code, why in refused]
    )
