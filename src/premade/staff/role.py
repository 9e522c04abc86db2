"""Roles and their rights. Pure."""

from enum import StrEnum


class Role(StrEnum):
    """Role of a member of staff."""

    ADMIN = "admin"
    OPERATIONS = "operations"
    FINANCE = "finance"
    GATE = "gate"


class Right(StrEnum):
    """Right of a role in the console."""

    SEE_SALES = "see_sales"
    """Tickets, orders and batches of all partners, with the customers' details."""
    CHANGE_TICKETS = "change_tickets"
    """Cancel and reissue, for every partner."""
    EXPORT_TICKETS = "export_tickets"
    """Save a batch's tickets in a file. It has QR tokens only for roles that may see QRs."""
    SEE_QR = "see_qr"
    """See, print and save the QR of a ticket. A QR admits its bearer."""
    MAKE_BATCHES = "make_batches"
    """Generate batches for every partner, stop the generation, and cancel unused tickets."""
    SEE_AUDIT = "see_audit"
    """The audit record."""
    SEE_STOCK = "see_stock"
    """Products, allotments and reservations."""
    CHANGE_STOCK = "change_stock"
    """Change products, prices and allotments; release reservations of partners."""
    SEE_PARTNERS = "see_partners"
    """Partners and their keys' permissions. The keys themselves are never shown."""
    MANAGE_PARTNERS = "manage_partners"
    """Add and disable partners; create and revoke keys of partners and the operator."""
    USE_GATE = "use_gate"
    """Redeem tickets of all partners, as a gate of the operator."""
    MANAGE_DEVICES = "manage_devices"
    """See, approve and revoke the devices of gates."""
    MANAGE_STAFF = "manage_staff"
    MANAGE_CUSTOMERS = "manage_customers"
    """Find, export and erase what the service has about a customer."""


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
            Right.MANAGE_DEVICES,
            Right.SEE_AUDIT,
        }
    ),
    Role.FINANCE: frozenset(
        {Right.SEE_SALES, Right.EXPORT_TICKETS, Right.SEE_STOCK, Right.SEE_PARTNERS, Right.SEE_AUDIT}
    ),
    Role.GATE: frozenset({Right.USE_GATE}),
}
