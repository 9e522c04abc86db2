"""A batch in every state, and batches that are too large to make one request at a time."""

from dataclasses import dataclass

import pytest
from support.shop import Seller, Shop, unique
from support.taking_back import cancel

NAME = "Île d'Orléans · Ferry 维多利亚港 · Паром «Чайка»"
ENTITLEMENTS = (
    '[{"function_code": "ferry", "remaining_uses": 2}, {"function_code": "gift", "remaining_uses": 1}]'
)


@dataclass
class Stack:
    """A batch of the seller's; its codes in order."""

    seller: Seller
    batch_id: str
    codes: list[str]


@pytest.fixture
def named_seller(shop: Shop) -> Seller:
    return shop.seller(name=NAME, usable_days=30)


@pytest.fixture
def mixed(named_seller: Seller) -> Stack:
    """Two tickets that are unused, one sold, one cancelled."""
    batch_id = unique("MIXED")
    codes = named_seller.tickets(4, batch_id=batch_id, valid_until="2099-03-31")
    assert named_seller.activate(codes[1]).status_code == 200
    assert cancel(named_seller, codes[3]).status_code == 200
    return Stack(named_seller, batch_id, codes)


def large_batch(shop: Shop, seller: Seller, tickets: int) -> str:
    """A batch that is written straight into the tables; tokens as long as real ones. Answers its id."""
    batch_id = unique("LARGE")
    start = shop.sql("SELECT coalesce(max(ticket_id), 0) + 1000000000 AS first FROM pre_generated_tickets")[
        0
    ]["first"]
    shop.sql(
        "INSERT INTO batches (partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency,"
        " signing_key_id, request_digest, created_at) SELECT %s, %s, %s, %s, %s, %s, 288, 'HKD', key_id, '', now()"
        " FROM signing_keys WHERE key_id = 'K1'",
        seller.partner_id, batch_id, seller.product_id, seller.channel, tickets, ENTITLEMENTS,
    )  # fmt: skip
    shop.sql(
        "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price,"
        " currency, created_at) SELECT code, %s, %s, %s,"
        r" translate(encode(('PM1:' || code || ':1:K1:' || repeat('A', 96))::bytea, 'base64'), E'\n', ''), %s, 288,"
        " 'HKD', now() FROM generate_series(%s::bigint, %s::bigint) AS n"
        " CROSS JOIN LATERAL (SELECT 'LARGE-2025-FERRY-' || lpad(n::text, 13, '0') AS code) AS coded",
        seller.partner_id, seller.product_id, batch_id, ENTITLEMENTS, start, start + tickets - 1,
    )  # fmt: skip
    return batch_id
