"""The kinds of requests that clients send."""

from torture.operations import reads, writes
from torture.operations.gate import snapshot_for
from torture.operations.operation import OPERATIONS, Draft, Operation, choose, new_key
from torture.operations.writes import codes_of_order

__all__ = [
    "OPERATIONS",
    "Draft",
    "Operation",
    "choose",
    "codes_of_order",
    "new_key",
    "reads",
    "snapshot_for",
    "writes",
]
