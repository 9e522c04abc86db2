"""What tests of reservations look at."""

from collections.abc import Callable
from typing import Any

import pytest
from support.shop import Seller, Shop

ALLOTMENT = "SELECT allotted, issued, held FROM allotments WHERE product_id = %s AND channel = %s"
UNSOLD = """
    SELECT coalesce(sum(quantity - taken), 0)::integer AS held
    FROM reservations WHERE product_id = %s AND ended_at IS NULL
"""
TAKEN = "SELECT coalesce(sum(taken), 0)::integer AS taken FROM reservations WHERE product_id = %s"
BATCHED = """
    SELECT coalesce(sum(quantity), 0)::integer AS tickets,
           coalesce(sum(quantity) FILTER (WHERE reservation_id IS NOT NULL), 0)::integer AS taken
    FROM batches WHERE product_id = %s
"""
MADE = "SELECT count(*)::integer AS tickets FROM pre_generated_tickets WHERE product_id = %s"


@pytest.fixture
def conserved(shop: Shop) -> Callable[[Seller], dict[str, Any]]:
    """Asserts that no ticket of the seller's allotment came from nowhere or went nowhere; answers the allotment."""

    def check(seller: Seller) -> dict[str, Any]:
        [allotment] = shop.sql(ALLOTMENT, seller.product_id, seller.channel)
        [unsold] = shop.sql(UNSOLD, seller.product_id)
        [taken] = shop.sql(TAKEN, seller.product_id)
        [batched] = shop.sql(BATCHED, seller.product_id)
        [made] = shop.sql(MADE, seller.product_id)
        assert allotment["issued"] == batched["tickets"] == made["tickets"]
        assert allotment["held"] == unsold["held"]
        assert taken["taken"] == batched["taken"]
        available = allotment["allotted"] - allotment["issued"] - allotment["held"]
        assert available >= 0
        return {**allotment, "available": available}

    return check


@pytest.fixture
def let_expire(shop: Shop) -> Callable[..., None]:
    """Sets the times of reservations as if they had been made two hours ago and expired one hour ago."""

    def expire(*reservation_ids: str) -> None:
        shop.sql(
            "UPDATE reservations SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'"
            " WHERE reservation_id = ANY(%s)",
            list(reservation_ids),
        )

    return expire
