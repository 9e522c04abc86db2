"""Outcomes of the activation of a ticket, as the statements name them."""

from enum import StrEnum


class SaleOutcome(StrEnum):
    """Outcome of a statement for one ticket: its change, or the reason why it cannot be activated."""

    ACTIVATED = "activated"
    KEY_USED = "key_used"
    """An earlier request with the same Idempotency-Key left an order."""
    SELLABLE = "sellable"
    AGAIN = "again"
    """Another transaction has locked the ticket, or has just changed it. Try again alone, and wait."""
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ALREADY_ACTIVATED = "already_activated"
