"""The states of a ticket. Pure; the database enforces the same by triggers."""

from enum import StrEnum


class Status(StrEnum):
    """Where a ticket is in its life."""

    PRE_GENERATED = "PRE_GENERATED"
    ACTIVE = "ACTIVE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


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
"""The states that nothing leads out of."""
