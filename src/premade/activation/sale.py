"""An order of several tickets as it is asked for. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from premade.values.digest import request_digest

TICKETS_PER_ORDER_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Sale:
    """Who sells to whom, and against which payment. `customer_phone` in E.164."""

    operation: ClassVar[str]
    """What an Idempotency-Key is scoped to, beside the partner."""
    partner_id: int
    actor: str
    request_id: str | None = None
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    idempotency_key: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """What makes two requests the same one."""
        return request_digest(
            *self._tickets,
            self.customer_name,
            self.customer_email,
            self.customer_phone,
            self.payment_reference,
        )

    @property
    def _tickets(self) -> list[Any]:
        raise NotImplementedError

    def tickets_of(self, batch_id: str, ticket_codes: list[str]) -> list[Any]:
        """Return the tickets of an order in the form that `digest` uses."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Draw(Sale):
    """So many tickets of a batch, whichever."""

    operation = "draw"
    batch_id: str
    quantity: int

    @property
    def _tickets(self) -> list[Any]:
        return [self.batch_id, self.quantity]

    def tickets_of(self, batch_id: str, ticket_codes: list[str]) -> list[Any]:
        """Return the batch id and the number of tickets."""
        return [batch_id, len(ticket_codes)]


@dataclass(frozen=True, kw_only=True)
class Selection(Sale):
    """These tickets, each named once."""

    operation = "order"
    ticket_codes: list[str]

    @property
    def _tickets(self) -> list[Any]:
        # An order of the same tickets is the same order, however they are listed.
        return sorted(self.ticket_codes)

    def tickets_of(self, batch_id: str, ticket_codes: list[str]) -> list[Any]:  # noqa: ARG002
        """Return the ticket codes, sorted."""
        return sorted(ticket_codes)
