"""Requests to change a ticket, an order or a batch, with a reason."""

from dataclasses import dataclass
from typing import ClassVar

from premade.audit.event import ReasonGiven
from premade.audit.idempotency import Operation, Receipt, Request, RequestIdentity, Result, event_of
from premade.audit.idempotency_sql import EventReceipt
from premade.audit.record import Acting
from premade.postgres.database import Transaction
from premade.values.digest import request_digest
from premade.values.texts import one_line

REASON_CHARACTERS_MAX = 200


def checked_reason(text: str) -> str:
    """Return the reason of a change as it is stored.

    Raises:
        ValueError: the text is no valid reason; the message says why.
    """
    return one_line(text, REASON_CHARACTERS_MAX)


@dataclass(frozen=True)
class TicketChange:
    """A request to change one ticket. Each kind of change is a subclass."""

    operation: ClassVar[str]
    caller: Acting
    request_id: str
    ticket_code: str
    reason: str
    idempotency_key: str | None = None

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: ticket and reason."""
        digest = request_digest(self.ticket_code, self.reason)
        return RequestIdentity(self.caller.partner_id, self.operation, self.idempotency_key, (digest,))


@dataclass(frozen=True)
class ChangeOperation(Operation[Request, EventReceipt, Result]):
    """An operation that changes a ticket or a batch for a reason. The audit event is the receipt."""

    async def find_receipt(self, tx: Transaction, request: Request) -> Receipt[EventReceipt] | None:
        """Return the receipt with the request's key."""
        event = await event_of(tx, request.identity)
        if event is None:
            return None
        subject = event.ticket_code or event.batch_id or event.order_id
        return Receipt(
            event, "other", subject, event.request_digest, lambda: _normalized_digest(event, subject)
        )


def _normalized_digest(event: EventReceipt, subject: str | None) -> bytes | None:
    """Return the digest of a request with the event's reason as this version normalizes it, or None if it is not valid."""
    try:
        return request_digest(subject, checked_reason(ReasonGiven.of(event.data).reason))
    except ValueError:
        return None
