"""States and entitlements of a ticket. Triggers of the database enforce the same changes of states."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TypedDict

import orjson

KINDS_OF_USES_MAX = 10_000


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


@lru_cache(KINDS_OF_USES_MAX)
def uses_of(entitlements: str) -> Mapping[str, int]:
    """Return the remaining uses by function, in their order. `entitlements`: the JSON text of the column.

    The results are cached, because most tickets have the same entitlements.
    """
    members: list[EntitlementMembers] = orjson.loads(entitlements)
    return {entitlement["function_code"]: entitlement["remaining_uses"] for entitlement in members}


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
