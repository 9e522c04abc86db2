"""The permissions of API keys. A new one is a line here and a migration of the constraint `api_key_permissions_known`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Permission:
    """A permission of an API key."""

    name: str
    """Name in the API, such as `tickets:activate`."""
    label: str
    """Completes "This key may …", for the console."""
    is_for_gates: bool = False
    """Whether a key of the operator can have it."""


_REGISTERED = (
    Permission("tickets:bulk-generate", "generate batches"),
    Permission("tickets:activate", "activate tickets, also several as one order, and draw from batches"),
    Permission("tickets:read", "see its tickets and batches"),
    Permission("tickets:cancel", "cancel and reissue tickets"),
    Permission("inventory:read", "see products and stock"),
    Permission("inventory:reserve", "reserve stock"),
    Permission("orders:read", "see its orders, with the customers' details"),
    Permission("gate:redeem", "redeem at a gate, also without network", is_for_gates=True),
    Permission("gate:manual-entry", "type in a ticket code at a gate", is_for_gates=True),
)
PERMISSIONS = {permission.name: permission for permission in _REGISTERED}
"""All permissions by name, in the order of display."""
GATE_PERMISSIONS = {name: permission for name, permission in PERMISSIONS.items() if permission.is_for_gates}
"""Permissions that a key of the operator can have."""
