"""Idempotency keys: find the event that an earlier request with the same key left, and replay it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from premade.audit import idempotency_sql as sql
from premade.audit.idempotency_sql import EarlierEvent
from premade.postgres.database import Transaction
from premade.runtime.errors import IdempotencyKeyReused, RuleBroken

Result = TypeVar("Result")
_KEY_TAKEN = "audit_idempotency_key_taken"


class ReceiptColumns(TypedDict):
    """The columns of an event by which a later request with the same Idempotency-Key finds it."""

    partner_id: int
    operation: str
    idempotency_key: str | None
    request_digest: bytes | None


@dataclass(frozen=True)
class IdempotencyScope:
    """An Idempotency-Key with what it is unique within, partner and operation, and the digest of its request."""

    partner_id: int
    operation: str
    idempotency_key: str | None
    digest: bytes
    """SHA-256 of the normalized request. Two requests with equal digests are the same request."""
    digest_of: Callable[[EarlierEvent], bytes] | None = None
    """Compute the digest that an event's request would have now, for events stored before texts were normalized.
    Raises ValueError.
    """

    def is_of(self, event: EarlierEvent) -> bool:
        """Return whether the event was made by the same request."""
        if event.request_digest == self.digest:
            return True
        try:
            return self.digest_of is not None and self.digest_of(event) == self.digest
        except ValueError:
            return False

    @property
    def columns(self) -> ReceiptColumns:
        """Return the columns of the event that this request writes."""
        return {
            "partner_id": self.partner_id,
            "operation": self.operation,
            "idempotency_key": self.idempotency_key,
            "request_digest": None if self.idempotency_key is None else self.digest,
        }


async def find_replay(tx: Transaction, scope: IdempotencyScope) -> EarlierEvent | None:
    """Return the event of the earlier request with this key, or None.

    Raises:
        IdempotencyKeyReused: the key was used for a request with another digest.
    """
    if scope.idempotency_key is None:
        return None
    event = await tx.fetch_one(
        sql.event_of_key,
        partner_id=scope.partner_id,
        operation=scope.operation,
        idempotency_key=scope.idempotency_key,
    )
    if event is not None and not scope.is_of(event):
        raise IdempotencyKeyReused("other", event.ticket_code or event.batch_id)
    return event


async def retry_on_key_conflict(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Run `attempt`. If a concurrent request inserted the same key first, run it once more: it now finds the replay."""
    try:
        return await attempt()
    except RuleBroken as broken:
        if broken.rule != _KEY_TAKEN:
            raise
    return await attempt()
