"""States of a ticket. Triggers of the database enforce the same changes."""

from enum import StrEnum
from typing import TypedDict


class Status(StrEnum):
    """State of a ticket: docs/states.md."""

    PRE_GENERATED = "PRE_GENERATED"
    ACTIVE = "ACTIVE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class EntitlementMembers(TypedDict):
    """An entitlement of a ticket, as stored in JSON."""

    function_code: str
    remaining_uses: int


ALLOWED_CHANGES = frozenset(
    {
        (Status.PRE_GENERATED, Status.ACTIVE),
        (Status.ACTIVE, Status.USED),
        (Status.PRE_GENERATED, Status.EXPIRED),
        (Status.PRE_GENERATED, Status.CANCELLED),
        (Status.ACTIVE, Status.CANCELLED),
    }
)

FINAL = frozenset(Status) - {before for before, _ in ALLOWED_CHANGES}
"""States that cannot change."""
