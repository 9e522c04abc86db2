"""What the contract's own examples need: product 106."""

import pytest
from support.shop import Seller, Shop

from premade.catalog.product import list_products

EXAMPLE_PRODUCT_ID = 106
STOCK = 20_000


@pytest.fixture
def seller_of_106(shop: Shop) -> Seller:
    """A new partner whose channel has the product of the examples, which all tests of the database share."""
    seller = shop.seller()
    known = {product.product_id for product in shop.operate(lambda database, _: list_products(database))}
    if EXAMPLE_PRODUCT_ID in known:
        shop.sql(
            "INSERT INTO allotments (product_id, channel, allotted) VALUES (%s, %s, %s)",
            EXAMPLE_PRODUCT_ID,
            seller.channel,
            STOCK,
        )
    else:
        shop.product(seller.channel, STOCK, product_id=EXAMPLE_PRODUCT_ID)
    return seller
