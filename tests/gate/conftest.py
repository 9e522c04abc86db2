"""A gate: a scanner with a key of the operator or of a partner, and tickets that were sold."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from support.past import sold_earlier
from support.shop import Seller, Shop, unique

from premade.partners.keys import create_key

GATE_PERMISSIONS = ["gate:redeem", "gate:manual-entry"]


@dataclass(frozen=True)
class Ticket:
    """What a customer has in hand."""

    code: str
    qr: str


@dataclass(frozen=True)
class Gate:
    """One device."""

    http: httpx.Client
    device_id: str
    key_id: int

    def redeem(
        self, shown: Ticket | None = None, function_code: str = "ferry", **more: Any
    ) -> httpx.Response:
        """POST redemptions, by the ticket's QR or as `more` says."""
        body = {
            **({"qr": shown.qr} if shown else {}),
            "function_code": function_code,
            "device_id": self.device_id,
            "scan_id": unique("scan"),
            **more,
        }
        return self.http.post("/api/gate/redemptions", json=body)

    def inspect(self, shown: Ticket | None = None, **more: Any) -> httpx.Response:
        body = {**({"qr": shown.qr} if shown else {}), "device_id": self.device_id, **more}
        return self.http.post("/api/gate/inspect", json=body)

    def sync(self, *redemptions: dict[str, Any], **more: Any) -> httpx.Response:
        body = {"device_id": self.device_id, "redemptions": list(redemptions), **more}
        return self.http.post("/api/gate/redemptions/sync", json=body)


def gate_of(
    shop: Shop, partner: str | None, permissions: list[str] | None = None, *, is_test: bool = False
) -> Gate:
    """A gate with a new key of the partner, or of the operator (None), in test mode or not."""
    made = shop.operate(
        lambda database, runtime: create_key(
            database, runtime, partner=partner, permissions=permissions or GATE_PERMISSIONS, is_test=is_test
        )
    )
    return Gate(shop.client(made.key), unique("GATE"), made.id)


def unsold(seller: Seller, quantity: int = 1) -> list[Ticket]:
    made = seller.generate(quantity).json()["tickets"]
    return [Ticket(ticket["ticket_code"], ticket["qr_token"]) for ticket in made]


def sold(seller: Seller, quantity: int = 1, **customer: Any) -> list[Ticket]:
    """Activated ten days ago, so that a device without network may have seen them since."""
    tickets = unsold(seller, quantity)
    for ticket in tickets:
        assert seller.activate(ticket.code, **customer).status_code == 200
    sold_earlier(seller.dsn, [ticket.code for ticket in tickets])
    return tickets


@pytest.fixture
def gate(shop: Shop, seller: Seller) -> Gate:
    """A device of the seller's own."""
    return gate_of(shop, seller.name)


@pytest.fixture
def operator_gate(shop: Shop) -> Gate:
    """A device of the operator's."""
    return gate_of(shop, None)


@pytest.fixture
def ticket(seller: Seller) -> Ticket:
    """Sold: ferry twice, a gift, ten tokens."""
    [ticket] = sold(seller)
    return ticket
