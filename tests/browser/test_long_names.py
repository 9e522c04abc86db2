"""Names of 200 letters, without a blank and in both reading directions: pages stay as wide as the screen, lines in order."""

from decimal import Decimal
from typing import Any

import pytest
from browser.barriers import BEYOND
from browser.conftest import DESK, PHONE, Somebody
from support.shop import Seller, Shop, unique
from support.taking_back import cancel

from premade.partners.partner import rename_partner

LETTERS = 200
KINDS = ["W", "\u0634", "\u65c5"]
"""Wide Latin, Arabic that turns the direction, Chinese."""
BEYOND_A_TABLE = """[...document.querySelectorAll('.scroll')]
    .filter(each => each.scrollWidth > each.clientWidth).map(each => each.getAttribute('aria-label'))"""
NOT_ISOLATED = r"""() => {
    const turns = /[\u0590-\u08ff]/, isolated = /^[^\u0590-\u08ff]*(\u2068[^\u2068\u2069]*\u2069[^\u0590-\u08ff]*)+$/;
    const found = [], walk = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const text = walk.currentNode;
        if (turns.test(text.data) && !text.parentElement.closest('bdi, textarea') && !isolated.test(text.data))
            found.push(text.parentElement.outerHTML.slice(0, 200));
    }
    for (const element of document.querySelectorAll('[aria-label], [title], [alt]'))
        for (const name of ['aria-label', 'title', 'alt']) {
            const text = element.getAttribute(name) ?? '';
            if (turns.test(text) && !isolated.test(text)) found.push(`${name}: ${text.slice(0, 200)}`);
        }
    return found;
}"""


@pytest.fixture(params=KINDS, ids=["Latin", "Arabic", "Chinese"], name="paths")
def _paths(request: pytest.FixtureRequest, shop: Shop) -> list[str]:
    """Every kind of page with a name on it, all names as long as they may be."""
    letter: str = request.param
    number = unique("")
    name = f"{letter * (LETTERS - len(number))}{number}"
    seller: Seller = shop.seller(name=name, price=Decimal("99999999.00"))
    shop.operate(lambda database, runtime: rename_partner(database, runtime, seller.name, name))
    batch = unique("B")
    batch += "B" * (64 - len(batch))
    metadata = {letter * 60: letter * 200}
    codes = seller.tickets(4, batch_id=batch, metadata=metadata)
    customer: dict[str, Any] = {"name": letter * LETTERS, "email": f"{'e' * 64}@{'d' * 60}.example.com"}
    order_id = seller.draw(batch, 2, payment_reference=letter * 128, **customer).json()["order_id"]
    cancel(seller, codes[-1], reason=letter * 200)
    seller.hold(2)
    partner, product = (
        f"/console/partners/{seller.partner_id}",
        f"/console/stock/products/{seller.product_id}",
    )
    [key] = shop.sql("SELECT key_id FROM api_keys WHERE partner_id = %s", seller.partner_id)
    [hold] = shop.sql("SELECT reservation_id FROM reservations WHERE partner_id = %s", seller.partner_id)
    return [
        f"/console?partner={seller.partner_id}",
        f"/console/tickets/{codes[0]}",
        f"/console/tickets/{codes[-1]}",
        f"/console/tickets/{codes[0]}/cancel",
        f"/console/orders/{order_id}",
        f"/console/orders/{order_id}/same/email",
        f"/console/orders/{order_id}/same/payment",
        f"/console/batches?partner={seller.partner_id}",
        f"/console/batch?partner={seller.partner_id}&batch={batch}",
        f"/console/batch/cancel?partner={seller.partner_id}&batch={batch}",
        "/console/batches/new",
        f"/console/batches/new?partner={seller.partner_id}",
        f"/console/audit?partner={seller.partner_id}",
        f"/console/partners?find={number}",
        partner,
        f"{partner}/disable",
        f"{partner}/limits",
        f"{partner}/keys/new",
        f"/console/keys/{key['key_id']}/rotate",
        f"/console/keys/{key['key_id']}/revoke",
        f"/console/stock?find={number}",
        product,
        f"{product}/change",
        f"{product}/allotment",
        f"/console/stock/reservations/{hold['reservation_id']}/release",
    ]


@pytest.mark.nightly
def test_a_long_name_neither_widens_a_page_nor_turns_its_lines(somebody: Somebody, paths: list[str]) -> None:
    ann = somebody("admin")
    found: dict[str, object] = {}
    for path in paths:
        assert ann.goes_to(path) == 200, path
        for screen in (DESK, PHONE):
            ann.page.set_viewport_size(screen)  # pyright: ignore[reportArgumentType]
            faults = [
                ann.page.evaluate(BEYOND) > 0,
                ann.page.evaluate(BEYOND_A_TABLE),
                ann.page.evaluate(NOT_ISOLATED),
            ]
            if any(faults):
                found[f"{path} {screen}"] = faults

    assert found == {}
