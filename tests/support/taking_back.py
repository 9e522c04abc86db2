"""Cancelling and reissuing, as a partner does, and what must hold afterwards."""

from typing import Any

import httpx

from premade.partners.keyring import Caller
from support.shop import Seller, Shop

REASON = "The customer's plans changed"
USED_UP = """status = 'USED', first_used_at = now(), entitlements = (
    SELECT jsonb_agg(jsonb_set(each, '{remaining_uses}', '0')) FROM jsonb_array_elements(entitlements) AS each
)"""
"""What the gate makes of an ACTIVE ticket in the end; for an UPDATE past the product's own code."""


def caller_of(seller: Seller) -> Caller:
    return Caller(seller.key_id, seller.partner_id, seller.channel)


def cancel(seller: Seller, code: str, reason: Any = REASON, *, key: str | None = None) -> httpx.Response:
    return _post(seller, f"tickets/{code}/cancel", reason, key)


def cancel_batch(
    seller: Seller, batch_id: str, reason: Any = REASON, *, key: str | None = None
) -> httpx.Response:
    return _post(seller, f"batches/{batch_id}/cancel", reason, key)


def reissue(seller: Seller, code: str, reason: Any = REASON, *, key: str | None = None) -> httpx.Response:
    return _post(seller, f"tickets/{code}/reissue", reason, key)


def _post(seller: Seller, what: str, reason: Any, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return seller.http.post(f"/api/ota/{what}", json={"reason": reason}, headers=headers)


def status_of(seller: Seller, code: str) -> str:
    return seller.http.get(f"/api/ota/tickets/{code}").json()["status"]


def issued(shop: Shop, seller: Seller) -> int:
    [row] = shop.sql("SELECT issued FROM allotments WHERE product_id = %s", seller.product_id)
    return row["issued"]


def events(shop: Shop, seller: Seller, event: str) -> list[dict[str, Any]]:
    return shop.sql(
        "SELECT * FROM audit_events WHERE partner_id = %s AND event = %s ORDER BY event_id",
        seller.partner_id,
        event,
    )


def in_one_order(shop: Shop, seller: Seller, quantity: int) -> tuple[str, list[str]]:
    """An order of so many tickets: one sale, whose order is given the others too."""
    codes = seller.tickets(quantity)
    order_id = seller.activate(codes[0]).json()["order_id"]
    shop.sql("UPDATE ota_orders SET ticket_codes = %s WHERE order_id = %s", codes, order_id)
    shop.sql(
        "UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id = %s"
        " WHERE ticket_code = ANY(%s)",
        order_id,
        codes[1:],
    )
    return order_id, codes


def assert_books_balance(shop: Shop, seller: Seller) -> None:
    """Stock counts what is neither cancelled nor expired, and what is still to be made; an order's state follows its
    tickets; each end is told once.
    """
    tickets = shop.sql(
        "SELECT ticket_code, status, order_id FROM pre_generated_tickets WHERE partner_id = %s",
        seller.partner_id,
    )
    standing = [ticket for ticket in tickets if ticket["status"] not in ("CANCELLED", "EXPIRED")]
    batches = shop.sql(
        "SELECT coalesce(sum(to_make), 0)::int AS to_make, coalesce(sum(quantity - to_make - unmade), 0)::int AS made"
        " FROM batches WHERE partner_id = %s",
        seller.partner_id,
    )
    assert len(tickets) == batches[0]["made"]
    assert issued(shop, seller) == len(standing) + batches[0]["to_make"]
    for ending in ("cancelled", "expired"):
        told = [event["ticket_code"] for event in events(shop, seller, f"ticket.{ending}")]
        ended = [ticket["ticket_code"] for ticket in tickets if ticket["status"] == ending.upper()]
        assert sorted(told) == sorted(ended), ending
    for order in shop.sql("SELECT * FROM ota_orders WHERE partner_id = %s", seller.partner_id):
        states = [ticket["status"] for ticket in tickets if ticket["order_id"] == order["order_id"]]
        assert len(states) == len(order["ticket_codes"])
        gone = states.count("CANCELLED")
        expected = "CANCELLED" if gone == len(states) else "PARTLY_CANCELLED" if gone else "CONFIRMED"
        assert order["status"] == expected, order["order_id"]
