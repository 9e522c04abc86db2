"""Lists go forward and back, and show the filters that apply."""

import re
from html import unescape

from browser.visitors import Visitor, rows_of, text_of, visitor
from support.shop import Seller, Shop, unique

from premade.console.batches.pages import BATCHES_A_PAGE
from premade.console.lists import PAGES_BACK_MAX


def links(page: str, name: str) -> list[str]:
    return [unescape(address) for address in re.findall(rf'<a href="([^"]+)"[^>]*>{name}</a>', page)]


def follow(who: Visitor, page: str, name: str) -> str:
    [address] = links(page, name)
    return who.page(address)


def test_a_list_goes_to_the_next_page_and_back_to_the_previous_ones(shop: Shop, seller: Seller) -> None:
    for _ in range(2 * BATCHES_A_PAGE + 1):
        seller.tickets(1, batch_id=unique("PAGE"))

    with visitor(shop, "finance") as joe:
        pages = [joe.page(f"/console/batches?partner={seller.partner_id}")]
        while links(pages[-1], "Next page"):
            pages.append(follow(joe, pages[-1], "Next page"))
        back = [follow(joe, page, "Previous page") for page in pages[1:]]
        first = follow(joe, pages[-1], "First page")

    assert [len(rows_of(page)) for page in pages] == [BATCHES_A_PAGE, BATCHES_A_PAGE, 1]
    assert [rows_of(page) for page in back] == [rows_of(page) for page in pages[:-1]]
    assert rows_of(first) == rows_of(pages[0])
    assert links(pages[0], "Previous page") == links(pages[0], "First page") == []


def test_far_back_a_list_leads_to_its_first_page(shop: Shop, seller: Seller) -> None:
    for _ in range(2):
        seller.tickets(1, batch_id=unique("PAGE"))
    of_partner = f"/console/batches?partner={seller.partner_id}"

    with visitor(shop, "finance") as joe:
        long = "~".join("x" for _ in range(3 * PAGES_BACK_MAX))
        page = joe.page(f"{of_partner}&trail={long}")

    assert links(page, "Previous page") == []


def test_each_filter_that_applies_can_be_removed(shop: Shop, seller: Seller) -> None:
    batch = unique("CHIP")
    seller.tickets(1, batch_id=batch)
    filters = f"/console/batches?partner={seller.partner_id}&product={seller.product_id}&status=MADE"

    with visitor(shop, "finance") as joe:
        page = joe.page(filters)
        chips = re.findall(r'<a class="chip" href="([^"]+)"[^>]*>(.*?)</a>', page, re.DOTALL)
        without = [unescape(address) for address, _ in chips]
        audit = joe.page(f"/console/audit?partner={seller.partner_id}&batch={batch}")

    assert [text_of(label).removesuffix(" Remove this filter") for _, label in chips] == [
        f"Partner: {seller.name}",
        "Product: Harbour Cruise Premium",
        "Generation: Generated",
    ]
    assert without == [
        f"/console/batches?product={seller.product_id}&status=MADE",
        f"/console/batches?partner={seller.partner_id}&status=MADE",
        f"/console/batches?partner={seller.partner_id}&product={seller.product_id}",
    ]
    assert f"Batch id: {batch}" in text_of(audit)
