"""Outcomes of a ticket that is to be sold, in the words of the statements."""

from enum import StrEnum


class SaleOutcome(StrEnum):
    """What became of a ticket in a statement, or what keeps it from being sold."""

    ACTIVATED = "activated"
    REPLAYED = "replayed"
    """An earlier request with the same Idempotency-Key activated it."""
    KEY_REUSED = "key_reused"
    """The Idempotency-Key belongs to an order of another request."""
    SELLABLE = "sellable"
    AGAIN = "again"
    """Another transaction holds the ticket or has just changed it. Try again alone, and wait."""
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ALREADY_ACTIVATED = "already_activated"
