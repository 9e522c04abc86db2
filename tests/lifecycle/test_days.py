"""A day ends at midnight of the operator's time zone; how long a ticket can be sold, and how long used."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from support import past
from support.postgres import own_database
from support.shop import Shop, unique
from support.terminal import Operator

from premade.catalog.product import change_product
from premade.generation.checks import ProductOver
from premade.runtime.errors import Invalid
from premade.tickets.refusals import TicketExpired

ShopAt = Callable[[str, str], Shop]

# The last moment of a day and the first of the next, of which the clocks are put forward, back, or left alone.
MIDNIGHTS = [
    ("Europe/Berlin", "2026-03-29", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00:00Z"),
    ("Europe/Berlin", "2026-03-28", "2026-03-28T22:59:59.999Z", "2026-03-28T23:00:00Z"),
    ("Europe/Berlin", "2026-10-25", "2026-10-25T22:59:59.999Z", "2026-10-25T23:00:00Z"),
    ("Asia/Hong_Kong", "2026-03-31", "2026-03-31T15:59:59.999Z", "2026-03-31T16:00:00Z"),
    ("America/New_York", "2026-03-07", "2026-03-08T04:59:59.999Z", "2026-03-08T05:00:00Z"),
    ("America/New_York", "2026-03-08", "2026-03-09T03:59:59.999Z", "2026-03-09T04:00:00Z"),
]


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(("zone", "day", "last_moment", "midnight"), MIDNIGHTS)
def test_a_ticket_is_sold_until_its_last_day_ends_where_the_operator_is(
    shop_at: ShopAt, zone: str, day: str, last_moment: str, midnight: str
) -> None:
    before, after = shop_at(last_moment, zone), shop_at(midnight, zone)
    seller = before.seller()
    sold, unsold = past.generate(before, seller, 2, valid_until=date.fromisoformat(day)).tickets

    past.activate(before, seller, sold.ticket_code)
    with pytest.raises(TicketExpired, match=day):
        past.activate(after, seller, unsold.ticket_code)


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(("zone", "day", "last_moment", "midnight"), MIDNIGHTS)
def test_a_batch_is_made_until_that_moment_and_expires_from_then_on(
    shop_at: ShopAt, zone: str, day: str, last_moment: str, midnight: str
) -> None:
    before, after = shop_at(last_moment, zone), shop_at(midnight, zone)
    seller = before.seller()
    last_day = date.fromisoformat(day)
    [ticket] = past.generate(before, seller, valid_until=last_day).tickets

    past.expire(before)
    assert past.state(before, ticket.ticket_code) == "PRE_GENERATED"
    with pytest.raises(Invalid, match="valid_until"):
        past.generate(after, seller, valid_until=last_day)
    past.expire(after)
    assert past.state(after, ticket.ticket_code) == "EXPIRED"


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(("zone", "day", "last_moment", "midnight"), MIDNIGHTS)
def test_days_of_use_are_counted_from_the_operator_s_day_of_activation(
    shop_at: ShopAt, zone: str, day: str, last_moment: str, midnight: str
) -> None:
    before, after = shop_at(last_moment, zone), shop_at(midnight, zone)
    seller = before.seller(usable_days=1)
    one, other = past.generate(before, seller, 2).tickets

    past.activate(before, seller, one.ticket_code)
    past.activate(after, seller, other.ticket_code)

    first_day = date.fromisoformat(day)
    assert past.usable_until(before, one.ticket_code) == date.fromordinal(first_day.toordinal() + 1)
    assert past.usable_until(before, other.ticket_code) == date.fromordinal(first_day.toordinal() + 2)


def test_zero_days_of_use_are_the_day_of_activation_itself(shop_at: ShopAt) -> None:
    shop = shop_at("2026-03-29T12:00:00Z", "UTC")
    seller = shop.seller(usable_days=0)
    [ticket] = past.generate(shop, seller).tickets

    assert past.usable_until(shop, ticket.ticket_code) is None
    past.activate(shop, seller, ticket.ticket_code)
    assert past.usable_until(shop, ticket.ticket_code) == date(2026, 3, 29)


def test_a_fixed_last_day_of_use_stands_on_the_ticket_from_the_start_and_is_the_last_day_of_sale(
    shop_at: ShopAt,
) -> None:
    shop = shop_at("2026-03-29T12:00:00Z", "UTC")
    seller = shop.seller(usable_until=date(2026, 4, 5))

    batch = past.generate(shop, seller)
    earlier = past.generate(shop, seller, valid_until=date(2026, 4, 1))

    assert (batch.usable_until, batch.valid_until) == (date(2026, 4, 5), date(2026, 4, 5))
    assert (earlier.usable_until, earlier.valid_until) == (date(2026, 4, 5), date(2026, 4, 1))
    code = batch.tickets[0].ticket_code
    assert past.usable_until(shop, code) == date(2026, 4, 5)
    past.activate(shop, seller, code)
    assert past.usable_until(shop, code) == date(2026, 4, 5)


def test_without_either_a_ticket_can_be_used_for_ever(shop_at: ShopAt) -> None:
    shop = shop_at("2026-03-29T12:00:00Z", "UTC")
    seller = shop.seller()
    [ticket] = past.generate(shop, seller).tickets

    past.activate(shop, seller, ticket.ticket_code)

    assert past.usable_until(shop, ticket.ticket_code) is None


def test_no_last_day_of_sale_may_lie_after_that_of_use(shop_at: ShopAt) -> None:
    shop = shop_at("2026-03-29T12:00:00Z", "UTC")
    seller = shop.seller(usable_until=date(2026, 4, 5))

    past.generate(shop, seller, valid_until=date(2026, 4, 5))
    with pytest.raises(Invalid, match="2026-04-05 or earlier"):
        past.generate(shop, seller, valid_until=date(2026, 4, 6))


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(("zone", "day", "last_moment", "midnight"), MIDNIGHTS)
def test_a_product_is_sold_until_its_last_day_of_use_ends(
    shop_at: ShopAt, zone: str, day: str, last_moment: str, midnight: str
) -> None:
    before, after = shop_at(last_moment, zone), shop_at(midnight, zone)
    seller = before.seller(usable_until=date.fromisoformat(day))

    [ticket] = past.generate(before, seller).tickets
    with pytest.raises(ProductOver, match=day):
        past.generate(after, seller)
    with pytest.raises(TicketExpired, match=day):
        past.activate(after, seller, ticket.ticket_code)


def test_a_batch_keeps_the_days_that_its_product_had(shop_at: ShopAt) -> None:
    shop = shop_at("2026-03-29T12:00:00Z", "UTC")
    seller = shop.seller(usable_days=30)
    batch = past.generate(shop, seller, idempotency_key="k", batch_id="B1")
    shop.operate(
        lambda database, runtime: change_product(
            database, runtime, seller.product_id, usable_days=None, usable_until=date(2026, 1, 1)
        )
    )

    again = past.generate(shop, seller, idempotency_key="k", batch_id="B1")
    past.activate(shop, seller, batch.tickets[0].ticket_code)

    assert again.replayed
    assert (again.usable_days, again.usable_until, again.valid_until) == (30, None, None)
    assert past.usable_until(shop, batch.tickets[0].ticket_code) == date(2026, 4, 28)


def test_the_answers_say_how_long_a_ticket_is_good(shop: Shop) -> None:
    counted, fixed = shop.seller(usable_days=30), shop.seller(usable_until=date(2099, 12, 31))
    over = shop.seller()
    shop.sql("UPDATE products SET usable_until = '2001-01-01' WHERE product_id = %s", over.product_id)

    batches = [counted.generate(1).json(), fixed.generate(1).json()]
    refused = over.generate(1)
    too_late = fixed.generate(1, valid_until="2100-01-01")

    assert [(batch["usable_days"], batch["usable_until"], batch["valid_until"]) for batch in batches] == [
        (30, None, None),
        (None, "2099-12-31", "2099-12-31"),
    ]
    assert (refused.status_code, refused.json()["code"]) == (409, "PRODUCT_OVER")
    assert refused.json()["usable_until"] == "2001-01-01"
    assert over.generate(1, dry_run=True).json()["code"] == "PRODUCT_OVER"
    assert (too_late.status_code, too_late.json()["errors"][0]["pointer"]) == (400, "#/valid_until")
    code = batches[1]["tickets"][0]["ticket_code"]
    assert fixed.http.get(f"/api/ota/tickets/{code}").json()["usable_until"] == "2099-12-31"


@pytest.fixture(scope="module")
def operator(dsn: str) -> Iterator[Operator]:
    with own_database(dsn) as own:
        operator = Operator(own)
        operator.does("product", "add", "--id", "1", *FERRY)
        yield operator


FERRY = ["--name", "Ferry", "--type", "FERRY", "--price", "95.00", "--currency", "HKD", "--entitles", "ferry=2"]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "days", "until"),
    [
        ([], None, None),
        (["--usable-days", "30"], 30, None),
        (["--usable-days", "0"], 0, None),
        (["--usable-until", "2099-12-31"], None, "2099-12-31"),
    ],
)
def test_the_operator_says_how_long_a_product_s_tickets_are_good(
    operator: Operator, options: list[str], days: int | None, until: str | None
) -> None:
    product_id = unique("")[-9:].lstrip("0")

    added = operator.does("product", "add", "--id", product_id, *FERRY, *options)
    changed = operator.does("product", "set", "1", *options) if options else added
    listed = {str(row["product_id"]): row for row in operator.does("product", "list")}

    for told in (added, changed, listed[product_id]):
        assert (told["usable_days"], told["usable_until"]) == (days, until)


def test_the_operator_changes_and_takes_back_the_last_day_of_use_and_the_policy(operator: Operator) -> None:
    def fields(*options: str) -> tuple[Any, ...]:
        told = operator.does("product", "set", "1", *options)
        return told["usable_days"], told["usable_until"], told["cancellation"]

    assert fields("--usable-days", "7") == (7, None, "until_first_use")
    assert fields("--cancellation", "never") == (7, None, "never")
    assert fields("--usable-until", "2099-12-31") == (None, "2099-12-31", "never")
    assert fields("--price", "96.00") == (None, "2099-12-31", "never")
    assert fields("--usable-for-ever") == (None, None, "never")
    assert fields("--cancellation", "until_first_use") == (None, None, "until_first_use")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--usable-days", "-1"], "usable_days: Must be 0 to 3650"),
        (["--usable-days", "3651"], "usable_days: Must be 0 to 3650"),
        (["--usable-until", "2099-02-30"], "usable_until: There is no 30 February 2099"),
        (["--usable-until", "20990228"], "usable_until: '20990228' is not a day"),
        (["--usable-until", "soon"], "usable_until: 'soon' is not a day"),
        (["--usable-days", "7", "--usable-until", "2099-12-31"], "not both"),
        (["--usable-for-ever", "--usable-days", "7"], "not both"),
    ],
)
def test_what_is_no_length_of_use_is_told_in_one_line(
    operator: Operator, options: list[str], told: str
) -> None:
    [line] = operator.is_refused("product", "set", "1", *options).splitlines()

    assert told in line
