"""Finding again what an Idempotency-Key did, in the event that it left."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from premade.base import statements
from premade.base.errors import IdempotencyKeyReused, RuleBroken
from premade.base.work import Work

sql = statements.load(__file__)

Result = TypeVar("Result")
_KEY_TAKEN = "audit_idempotency_key_taken"


@dataclass(frozen=True)
class Keyed:
    """A request as the record remembers it: the key counts within the partner and the operation."""

    partner_id: int
    operation: str
    idempotency_key: str | None
    digest: bytes
    """What makes two requests the same one."""
    digest_of: Callable[[Mapping[str, Any]], bytes] | None = None
    """Compute the digest that an event's request would have now, for events stored before texts were normalized.
    Raises ValueError.
    """

    def is_of(self, event: Mapping[str, Any]) -> bool:
        """Return whether the event was made by the same request."""
        if event["request_digest"] == self.digest:
            return True
        try:
            return self.digest_of is not None and self.digest_of(event) == self.digest
        except ValueError:
            return False

    @property
    def columns(self) -> dict[str, Any]:
        """Of the event that the request leaves."""
        return {
            "partner_id": self.partner_id,
            "operation": self.operation,
            "idempotency_key": self.idempotency_key,
            "request_digest": None if self.idempotency_key is None else self.digest,
        }


async def made_before(work: Work, asked: Keyed) -> dict[str, Any] | None:
    """The event that an earlier request with this key left. IdempotencyKeyReused when that was another request."""
    if asked.idempotency_key is None:
        return None
    event = await work.one(
        sql.event_of_key,
        partner_id=asked.partner_id,
        operation=asked.operation,
        idempotency_key=asked.idempotency_key,
    )
    if event is not None and not asked.is_of(event):
        named = event["ticket_code"] or event["batch_id"]
        message = f"It came before, with a request about {named}. Use a new key for a new request."
        raise IdempotencyKeyReused(message)
    return event


async def settled(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """What `attempt` answers; tried again when another request took the key meanwhile: then it finds its event."""
    try:
        return await attempt()
    except RuleBroken as broken:
        if broken.rule != _KEY_TAKEN:
            raise
    return await attempt()
