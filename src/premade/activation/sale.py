"""Requests to activate several tickets as one order."""

from dataclasses import dataclass
from typing import Any, ClassVar

from premade.activation.customer import anonymous_digests
from premade.activation.customer_in_text import names_customer
from premade.audit.idempotency import RequestIdentity
from premade.orders.erased_customer import erased_key
from premade.values.digest import request_digest

TICKETS_PER_ORDER_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Sale:
    """A request for one order. `customer_phone` is in E.164 format."""

    operation: ClassVar[str]
    partner_id: int
    actor: str
    request_id: str | None = None
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    idempotency_key: str | None = None

    @property
    def identity(self) -> RequestIdentity:
        """Return the identity of the request: tickets, customer and payment reference."""
        digest = request_digest(
            *self._tickets,
            self.customer_name,
            self.customer_email,
            self.customer_phone,
            self.payment_reference,
        )
        digests = (digest, *anonymous_digests(self._tickets, self.payment_reference))
        return RequestIdentity(self.partner_id, self.operation, self.idempotency_key, digests)

    @property
    def event_reference(self) -> str | None:
        """Return the payment reference for the audit events. None if it names the customer: an event cannot be erased."""
        return None if self._names_customer(self.payment_reference) else self.payment_reference

    @property
    def stored_keys(self) -> list[str]:
        """Return the Idempotency-Key, and what an order can have in its place after its customer was erased."""
        key = self.idempotency_key
        if key is None:
            return []
        return [key, erased_key(key)] if self._names_customer(key) else [key]

    def _names_customer(self, text: str) -> bool:
        return names_customer(
            text, name=self.customer_name, email=self.customer_email, phone=self.customer_phone
        )

    @property
    def _tickets(self) -> list[Any]:
        raise NotImplementedError

    def tickets_of(self, batch_id: str, ticket_codes: list[str]) -> list[Any]:
        """Return the tickets of an order in the form that the digest uses."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Draw(Sale):
    """A request for a number of tickets of a batch. The service chooses the tickets."""

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
    """A request for the tickets with these codes, without duplicates."""

    operation = "order"
    ticket_codes: list[str]

    @property
    def _tickets(self) -> list[Any]:
        # The order of the codes does not matter.
        return sorted(self.ticket_codes)

    def tickets_of(self, batch_id: str, ticket_codes: list[str]) -> list[Any]:  # noqa: ARG002
        """Return the ticket codes, sorted."""
        return sorted(ticket_codes)
