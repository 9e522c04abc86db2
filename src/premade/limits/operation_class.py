"""Classes of operations. Each API key has a rate limit for each class."""

from enum import StrEnum


class OperationClass(StrEnum):
    """Operations that share a rate limit. The value is the name of the policy in the header RateLimit-Policy."""

    GENERATE = "generate"
    """Batches and reservations: what takes stock."""
    ACTIVATE = "activate"
    """Activations, orders, cancellations and reissues: what changes tickets."""
    READ = "read"
    """Lists, single records and exports."""
    GATE = "gate"
    """Redemptions, inspections, uploads and snapshots of gates."""
