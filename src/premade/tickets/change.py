"""A change of one ticket, and why, as a partner asks for it. Pure."""

from dataclasses import dataclass
from typing import ClassVar

from premade.audit.record import Acting
from premade.audit.replay import Keyed
from premade.base.digest import request_digest


@dataclass(frozen=True)
class TicketChange:
    """Each kind is a class of its own."""

    operation: ClassVar[str]
    """What an Idempotency-Key is scoped to, beside the partner."""
    caller: Acting
    request_id: str
    ticket_code: str
    reason: str
    idempotency_key: str | None = None

    @property
    def keyed(self) -> Keyed:
        """As the record remembers it."""
        digest = request_digest(self.ticket_code, self.reason)
        return Keyed(self.caller.partner_id, self.operation, self.idempotency_key, digest)
