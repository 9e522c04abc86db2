"""A request to activate one ticket."""

from dataclasses import dataclass
from functools import cached_property

from premade.activation.customer import anonymous_digests
from premade.activation.customer_in_text import names_customer
from premade.audit.idempotency import RequestIdentity
from premade.partners.keyring import Caller
from premade.values.digest import request_digest

OPERATION = "activate"


@dataclass(frozen=True)
class Activation:
    """A request to activate one ticket for one customer. `customer_phone` is in E.164 format."""

    caller: Caller
    request_id: str
    ticket_code: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    idempotency_key: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the normalized request."""
        return request_digest(
            self.ticket_code,
            self.customer_name,
            self.customer_email,
            self.customer_phone,
            self.payment_reference,
        )

    def names_customer(self, text: str) -> bool:
        """Return whether the text contains the customer's data."""
        return names_customer(
            text, name=self.customer_name, email=self.customer_email, phone=self.customer_phone
        )

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: ticket, customer and payment reference."""
        digests = (self.digest, *anonymous_digests([self.ticket_code], self.payment_reference))
        return RequestIdentity(self.caller.partner_id, OPERATION, self.idempotency_key, digests)

    @property
    def claims(self) -> set[tuple[int, str, str]]:
        """Return what two activations of one statement must not share: the ticket and the Idempotency-Key."""
        claims = {(self.caller.partner_id, "ticket", self.ticket_code)}
        if self.idempotency_key is not None:
            claims.add((self.caller.partner_id, "key", self.idempotency_key))
        return claims
