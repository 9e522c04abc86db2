"""Names of products and functions by language: typed by the operator, read by partners, shown to guards."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser.visitors import Visitor, product_form, visitor
from support.postgres import empty_database
from support.shop import Seller, Shop
from support.terminal import Operator

from premade.catalog.names import ShownNames, list_function_names, name_function, names_of_product
from premade.catalog.product import change_product, product_of
from premade.runtime.errors import Invalid

NAMES = {"zh-Hant": "維港遊", "zh-Hans": "维港游"}


@pytest.fixture(autouse=True)
def _other_tests_have_functions_without_names(shop: Shop) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    shop.sql("DELETE FROM function_names")


@pytest.fixture(scope="module")
def operator(dsn: str) -> Iterator[Operator]:
    with empty_database(dsn) as own:
        operator = Operator(own)
        operator.does("migrate")
        yield operator


def product_in_api(seller: Seller) -> dict[str, Any]:
    [product] = seller.http.get("/api/ota/products").json()["items"]
    return product


def test_a_partner_reads_the_names(shop: Shop, seller: Seller) -> None:
    assert product_in_api(seller)["names"] == {}
    shop.operate(lambda d, r: change_product(d, r, seller.product_id, names=NAMES))
    shop.operate(lambda d, r: name_function(d, r, "gift", {"zh-Hant": " 禮品 ", "en": ""}))

    product = product_in_api(seller)
    assert product["names"] == NAMES
    assert {each["function_code"]: each["names"] for each in product["functions"]}["gift"] == {
        "zh-Hant": "禮品"
    }


def test_each_name_has_one_to_show_in_each_language(shop: Shop, seller: Seller) -> None:
    shop.operate(lambda d, r: change_product(d, r, seller.product_id, names={"zh-Hant": "維港遊"}))
    shop.operate(lambda d, r: name_function(d, r, "ferry", {"zh-Hans": "渡轮"}))
    shown = shop.operate(lambda d, _: names_of_product(d, seller.product_id, ["zh-Hant", "zh-Hans"]))
    name = product_in_api(seller)["name"]
    assert shown["zh-Hant"].product == "維港遊"
    assert shown["zh-Hans"] == ShownNames(name, shown["zh-Hans"].functions)
    assert list(shown["zh-Hans"].functions) == ["ferry", "gift", "tokens"]
    assert (shown["zh-Hant"].functions["ferry"], shown["zh-Hans"].functions["ferry"]) == ("ferry", "渡轮")


@pytest.mark.parametrize("names", [{"pt": "Barco"}, {"en": "a\nb"}, {"en": "x" * 201}])
def test_a_wrong_name_is_refused(shop: Shop, seller: Seller, names: dict[str, str]) -> None:
    for change in (
        lambda d, r: change_product(d, r, seller.product_id, names=names),
        lambda d, r: name_function(d, r, "ferry", names),
    ):
        with pytest.raises(Invalid):
            shop.operate(change)
    with pytest.raises(Invalid):
        shop.operate(lambda d, r: name_function(d, r, "no-such-function", {"en": "x"}))


def test_staff_type_the_names(shop: Shop, seller: Seller) -> None:
    path = f"/console/stock/products/{seller.product_id}/change"

    def saves(mei: Visitor, **typed: str) -> None:
        fields = product_form(shop, seller, **typed)
        preview = mei.sends(path, **fields, step="preview")
        assert preview.status_code == 200, preview.text
        version = shop.operate(lambda d, _: product_of(d, seller.product_id)).version
        assert mei.sends(path, **fields, step="save", version=version).status_code == 303

    with visitor(shop, "operations") as mei:
        saves(mei, **{"name.zh-Hant": "維港遊", "name.zh-Hans": "维港游"})
        assert product_in_api(seller)["names"] == NAMES
        assert "維港遊" in mei.page(f"/console/stock/products/{seller.product_id}")
        saves(mei, **{"name.zh-Hant": ""})
        assert product_in_api(seller)["names"] == {"zh-Hans": "维港游"}
        saves(mei, price="1.00")
        assert product_in_api(seller)["names"] == {"zh-Hans": "维港游"}


def test_staff_type_the_names_of_a_function(shop: Shop, seller: Seller) -> None:
    with visitor(shop, "operations") as mei:
        path = "/console/stock/functions/tokens"
        names = shop.operate(lambda d, _: list_function_names(d))["tokens"]
        version = json.dumps(names, ensure_ascii=False, separators=(",", ":"))
        typed = {"name.en": "Tokens", "name.zh-Hant": "代幣", "name.zh-Hans": ""}
        assert "代幣" in mei.sends(path, **typed, step="preview").text
        assert mei.sends(path, **typed, step="save", version=version).status_code == 303
        assert "代幣" in mei.page("/console/stock/functions")
        # Somebody else saved first.
        typed["name.en"] = "Coins"
        assert mei.sends(path, **typed, step="save", version="{}").status_code == 409
        assert mei.status("/console/stock/functions/no-such-function") == 404


def test_commands_name_products_and_functions(operator: Operator) -> None:
    ferry = ("--name", "Ferry", "--type", "FERRY", "--price", "95.00", "--currency", "HKD")
    added = operator.does(
        "product", "add", "--id", "201", *ferry, "--entitles", "ferry=2", "--name-in", "zh-Hant=渡輪票"
    )
    assert added["names"] == {"zh-Hant": "渡輪票"}
    assert operator.does("product", "set", "201", "--price", "96.00")["names"] == {"zh-Hant": "渡輪票"}
    changed = operator.does(
        "product", "set", "201", "--name-in", "zh-Hans=渡轮票", "--name-in", "en=Ferry ticket"
    )
    assert changed["names"] == {"en": "Ferry ticket", "zh-Hans": "渡轮票"}
    named = operator.does("product", "name-function", "ferry", "zh-Hant=渡輪", "zh-Hans=渡轮")
    assert operator.does("product", "functions") == [named]
    assert "known" in operator.is_refused("product", "set", "201", "--name-in", "pt=Barco").lower()
    assert "zh-Hant=" in operator.is_refused("product", "set", "201", "--name-in", "Barco")


def test_a_guard_gets_the_names_in_the_language_of_the_page(shop: Shop, seller: Seller) -> None:
    shop.operate(lambda d, r: name_function(d, r, "gift", {"zh-Hant": "禮品"}))
    with visitor(shop, "gate") as ben:
        told = ben.http.get("/console/gate/session", headers={"Accept-Language": "zh-Hant"}).json()
        assert told["function_names"]["gift"] == "禮品"
        assert "gift" in told["functions"]
        assert "gift" not in ben.http.get("/console/gate/session").json()["function_names"]


def test_the_page_of_a_ticket_names_its_functions(shop: Shop, seller: Seller) -> None:
    shop.operate(lambda d, r: name_function(d, r, "gift", {"zh-Hant": "禮品"}))
    [code] = seller.tickets()
    with visitor(shop, "operations") as mei:
        page = mei.http.get(f"/console/tickets/{code}", headers={"Accept-Language": "zh-HK"}).text
        assert "次 禮品" in page
        assert "次 ferry" in page
        assert "gift left" in mei.page(f"/console/tickets/{code}")
