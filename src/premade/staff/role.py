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
    EXPORT_TICKETS = "export_tickets"
    """Save a batch's tickets in a file. It has QR tokens only for roles that may see QRs."""
    SEE_QR = "see_qr"
    """See, print and save the QR of a ticket. A QR admits its bearer."""
    MAKE_BATCHES = "make_batches"
    """Make batches for every partner, stop their making, and take back what is unused of them."""
    SEE_AUDIT = "see_audit"
    """The record of what everybody did."""
    SEE_STOCK = "see_stock"
    """Products, allotments, and who holds what of them."""
    CHANGE_STOCK = "change_stock"
    """Products, prices and allotments; release what a partner holds."""
    SEE_PARTNERS = "see_partners"
    """Partners, and what their keys may; never a key itself."""
    MANAGE_PARTNERS = "manage_partners"
    """Add and disable them, make and end keys, a partner's and the operator's."""
    USE_GATE = "use_gate"
    """Redeem tickets of all partners, as a gate of the operator."""
    MANAGE_STAFF = "manage_staff"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.OPERATIONS: frozenset(
        {
            Right.SEE_SALES,
            Right.CHANGE_TICKETS,
            Right.EXPORT_TICKETS,
            Right.SEE_QR,
            Right.MAKE_BATCHES,
            Right.SEE_STOCK,
            Right.CHANGE_STOCK,
            Right.SEE_PARTNERS,
            Right.USE_GATE,
            Right.SEE_AUDIT,
        }
    ),
    Role.FINANCE: frozenset(
        {Right.SEE_SALES, Right.EXPORT_TICKETS, Right.SEE_STOCK, Right.SEE_PARTNERS, Right.SEE_AUDIT}
    ),
    Role.GATE: frozenset({Right.USE_GATE}),
}
