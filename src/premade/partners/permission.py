"""The permissions of API keys. A new one is a line here and a migration of the constraint `api_key_permissions_known`."""

from dataclasses import dataclass

from premade.limits.operation_class import OperationClass


@dataclass(frozen=True)
class Permission:
    """A permission of an API key."""

    name: str
    """Name in the API, such as `tickets:activate`."""
    label: str
    """Completes "This key may …", for the console."""
    operation_class: OperationClass
    """Rate limit of the requests that need it. A GET of a partner counts as READ."""
    is_for_gates: bool = False
    """Whether a key of the operator can have it."""


_REGISTERED = (
    Permission("tickets:bulk-generate", "generate batches", OperationClass.GENERATE),
    Permission(
        "tickets:activate",
        "activate tickets, also several as one order, and draw from batches",
        OperationClass.ACTIVATE,
    ),
    Permission("tickets:read", "see its tickets and batches", OperationClass.READ),
    Permission("tickets:cancel", "cancel and reissue tickets", OperationClass.ACTIVATE),
    Permission("inventory:read", "see products and stock", OperationClass.READ),
    Permission("inventory:reserve", "reserve stock", OperationClass.GENERATE),
    Permission("orders:read", "see its orders, with the customers' details", OperationClass.READ),
    Permission(
        "gate:redeem", "redeem at a gate, also without network", OperationClass.GATE, is_for_gates=True
    ),
    Permission(
        "gate:manual-entry", "type in a ticket code at a gate", OperationClass.GATE, is_for_gates=True
    ),
)
PERMISSIONS = {permission.name: permission for permission in _REGISTERED}
"""All permissions by name, in the order of display."""
GATE_PERMISSIONS = {name: permission for name, permission in PERMISSIONS.items() if permission.is_for_gates}
"""Permissions that a key of the operator can have."""


@dataclass(frozen=True)
class Preset:
    """Permissions that are often given together. `label`: for the console."""

    label: str
    permissions: frozenset[str]


PRESETS = {
    "sells": Preset("Sells", frozenset(PERMISSIONS) - frozenset(GATE_PERMISSIONS)),
    "gate": Preset("Gate", frozenset(GATE_PERMISSIONS)),
    "reads": Preset("Reads", frozenset({"tickets:read", "inventory:read", "orders:read"})),
}
"""By the name in an address."""
