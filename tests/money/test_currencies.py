"""How many decimals a currency has, by ISO 4217, and what that makes of a price. No database is needed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from premade.catalog.product import PRICE_MAX, Product
from premade.catalog.product_input import read_price
from premade.console.stock.product_form import ProductForm, as_typed
from premade.runtime.errors import Invalid
from premade.values.currency import DECIMALS, DECIMALS_MAX, amount_text, decimals_of

EXAMPLES = {"JPY": 0, "KRW": 0, "ISK": 0, "HKD": 2, "MGA": 2, "IQD": 3, "KWD": 3, "CLF": 4, "UYW": 4}
NO_MINOR_UNIT = ("XAU", "XDR", "XTS", "XXX")
NO_CURRENCY = ("", "HK", "HKX", "hkd", "HKDD", "H D", "DEM", "ΗΚD", "JPY\n", *NO_MINOR_UNIT)

currencies = st.sampled_from(sorted(DECIMALS))
minor_units = st.integers(0, 10**10 - 1)


def product(price: Decimal, currency: str) -> Product:
    return Product(106, "Harbour Cruise", "FERRY", price, currency, {"ferry": 2})


def errors_of(price: Decimal, currency: str) -> dict[str, str]:
    """What is wrong with a product of this price, by field."""
    try:
        product(price, currency).check()
    except Invalid as invalid:
        return {error.pointer.removeprefix("#/"): error.detail for error in invalid.errors}
    return {}


@pytest.mark.parametrize(("currency", "decimals"), EXAMPLES.items())
def test_a_currency_has_the_decimals_of_iso_4217(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals


def test_every_currency_with_a_minor_unit_can_be_used() -> None:
    assert {each.code: each.exponent for each in Currency if each.exponent is not None} == DECIMALS
    assert max(DECIMALS.values()) == DECIMALS_MAX == 4


@pytest.mark.parametrize("currency", NO_CURRENCY)
def test_what_is_no_currency_is_refused_and_its_price_is_not_judged(currency: str) -> None:
    assert errors_of(Decimal("288.50"), currency) == {"currency": "Must be an ISO 4217 code, such as HKD"}


@given(currency=currencies, units=minor_units)
def test_a_price_in_minor_units_is_good_and_is_written_with_all_its_decimals(
    currency: str, units: int
) -> None:
    decimals = DECIMALS[currency]
    price = Decimal(units).scaleb(-decimals)

    text = amount_text(price, currency)

    assert errors_of(price, currency) == {}
    assert Decimal(text) == price
    assert len(text.partition(".")[2]) == decimals
    # However many zeros were stored or typed.
    assert amount_text(price.normalize(), currency) == text
    typed = as_typed(product(price.normalize(), currency))
    assert typed["price"] == text
    form = ProductForm.parse(typed)
    assert (form.price, form.currency) == (price, currency)
    assert str(product(price.normalize(), currency).as_kept().price) == text


@given(currency=currencies, units=minor_units, digit=st.integers(1, 9), zeros=st.integers(0, 14))
def test_a_price_between_two_minor_units_is_refused_and_both_are_named(
    currency: str, units: int, digit: int, zeros: int
) -> None:
    decimals = DECIMALS[currency]
    units = min(units, 10 ** (8 + decimals))
    below, above = (Decimal(each).scaleb(-decimals) for each in (units, units + 1))
    price = below + Decimal(digit).scaleb(-decimals - 1 - zeros)

    told = errors_of(price, currency)

    count = {0: "no decimals", 2: "2 decimals", 3: "3 decimals", 4: "4 decimals"}[decimals]
    values = f"{amount_text(below, currency)} or {amount_text(above, currency)}"
    assert told == {"price": f"{currency} has {count}: {values}"}


@pytest.mark.parametrize(
    ("currency", "price", "told"),
    [
        ("JPY", "288.50", "JPY has no decimals: 288 or 289"),
        ("JPY", "0.5", "JPY has no decimals: 0 or 1"),
        ("HKD", "288.001", "HKD has 2 decimals: 288.00 or 288.01"),
        ("KWD", "1.2345", "KWD has 3 decimals: 1.234 or 1.235"),
        ("CLF", "1.23456", "CLF has 4 decimals: 1.2345 or 1.2346"),
        ("HKD", "10000000000", "Must be 0 to 9999999999.99 HKD"),
        ("JPY", "9999999999.99", "JPY has no decimals: 9999999999"),
        ("KWD", "10000000000", "Must be 0 to 9999999999.990 KWD"),
        ("JPY", "10000000000", "Must be 0 to 9999999999 JPY"),
        ("JPY", "-0.5", "Must be 0 to 9999999999 JPY"),
        ("HKD", "99999999999999999999.99999999999999999999", "Must be 0 to 9999999999.99 HKD"),
        ("KWD", "0.00000000000000000001", "KWD has 3 decimals: 0.000 or 0.001"),
    ],
)
def test_the_refusal_says_what_would_be_right(currency: str, price: str, told: str) -> None:
    assert errors_of(read_price(price), currency) == {"price": told}


@pytest.mark.parametrize(
    ("currency", "highest"),
    [("JPY", "9999999999"), ("HKD", "9999999999.99"), ("KWD", "9999999999.990"), ("CLF", "9999999999.9900")],
)
def test_the_highest_price_is_good(currency: str, highest: str) -> None:
    assert errors_of(Decimal(highest), currency) == {}
    assert Decimal(highest) <= PRICE_MAX


def test_an_amount_in_a_withdrawn_currency_is_still_written() -> None:
    """Tickets keep their currency when ISO 4217 gives it up."""
    assert amount_text(Decimal("288.5"), "DEM") == "288.50"


def test_no_digit_is_lost_where_an_amount_does_not_fit() -> None:
    assert amount_text(Decimal("288.50"), "JPY") == "288.50"
    assert amount_text(Decimal("1.23456"), "KWD") == "1.23456"
