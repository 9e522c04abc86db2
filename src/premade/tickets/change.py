"""A change of one ticket, and why, as a partner asks for it. Pure."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import orjson

from premade.audit.record import Acting
from premade.audit.replay import Keyed


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
        digest = hashlib.sha256(orjson.dumps([self.ticket_code, self.reason])).digest()
        return Keyed(self.caller.partner_id, self.operation, self.idempotency_key, digest)
