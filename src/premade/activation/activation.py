"""An activation as it is asked for. Pure."""

from dataclasses import dataclass
from functools import cached_property

from premade.partners.keyring import Caller
from premade.values.digest import request_digest


@dataclass(frozen=True)
class Activation:
    """One ticket to activate, for one customer. `customer_phone` in E.164."""

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
        """What makes two requests the same one."""
        return request_digest(
            self.ticket_code,
            self.customer_name,
            self.customer_email,
            self.customer_phone,
            self.payment_reference,
        )

    @property
    def claims(self) -> set[tuple[int, str, str]]:
        """What no two activations of one statement may share: the ticket, and the Idempotency-Key."""
        claims = {(self.caller.partner_id, "ticket", self.ticket_code)}
        if self.idempotency_key is not None:
            claims.add((self.caller.partner_id, "key", self.idempotency_key))
        return claims
