"""The history of a ticket: the audit events that its partner may see."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from premade.audit.event import Audience, Subject
from premade.audit.events import CATALOGUE, BatchGenerated, BatchGenerationBegun

GENERATED = "ticket.generated"
"""The name of the batch's event in the history of its tickets."""
OF_TICKET = CATALOGUE.select(Subject.TICKET, Audience.PARTNER)
"""The classes of events that a history has, beside GENERATED."""
# A large batch has both: the first says when its generation began. The ticket itself says when it was generated.
OF_BATCH = [BatchGenerationBegun, BatchGenerated]


@dataclass(frozen=True, kw_only=True)
class _Details:
    """The fields of events that a history shows. None: the event does not have it."""

    payment_reference: str | None = None
    function_code: str | None = None
    uses: int | None = None
    device_id: str | None = None
    reason: str | None = None
    issue_number: int | None = None


DETAILS = tuple(_Details.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class HistoryEvent(_Details):
    """One event of a ticket."""

    event: str
    occurred_at: str
    """As PostgreSQL writes it in JSON."""
    order_id: str | None
    actor: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Return the event of a row of `ticket_with_history`."""
        stored = CATALOGUE.read(row["event"], row["data"])
        values = {} if stored is None else stored.values()
        details: dict[str, Any] = {name: values.get(name) for name in DETAILS}
        return cls(
            event=row["event"],
            occurred_at=row["occurred_at"],
            order_id=row["order_id"],
            actor=row["actor"],
            **details,
        )


def history_of(rows: Iterable[dict[str, Any]]) -> list[HistoryEvent]:
    """Return the history of these rows, in their order."""
    return [HistoryEvent.of(row) for row in rows]
