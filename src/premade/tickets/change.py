"""A change of one ticket, and why, as a partner asks for it. Pure."""

from dataclasses import dataclass
from typing import ClassVar

from premade.audit.event import ReasonGiven
from premade.audit.idempotency import IdempotencyScope
from premade.audit.idempotency_sql import EarlierEvent
from premade.audit.record import Acting
from premade.values.digest import request_digest
from premade.values.texts import one_line

REASON_CHARACTERS_MAX = 200


def checked_reason(text: str) -> str:
    """Return the reason of a change as it is stored. Raises ValueError if it is not valid."""
    return one_line(text, REASON_CHARACTERS_MAX)


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
    def keyed(self) -> IdempotencyScope:
        """As the record remembers it."""
        digest = request_digest(self.ticket_code, self.reason)
        return IdempotencyScope(
            self.caller.partner_id, self.operation, self.idempotency_key, digest, _digest_of
        )


def _digest_of(event: EarlierEvent) -> bytes:
    return request_digest(event.ticket_code, checked_reason(ReasonGiven.of(event.data).reason))
