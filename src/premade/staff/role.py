"""Roles, and what each may see and do. Pure."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is there for."""

    ADMIN = "admin"
    OPERATIONS = "operations"
    FINANCE = "finance"
    GATE = "gate"


class Right(StrEnum):
    """Something that a role may or may not."""

    SEE_SALES = "see_sales"
    """Tickets, orders and batches of all partners, with the customers' details."""
    CHANGE_TICKETS = "change_tickets"
    """Cancel and reissue, for every partner."""
    USE_GATE = "use_gate"
    """Redeem tickets of all partners, as a gate of the operator."""
    MANAGE_STAFF = "manage_staff"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.OPERATIONS: frozenset({Right.SEE_SALES, Right.CHANGE_TICKETS, Right.USE_GATE}),
    Role.FINANCE: frozenset({Right.SEE_SALES}),
    Role.GATE: frozenset({Right.USE_GATE}),
}
