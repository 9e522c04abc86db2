"""When a batch is stopped, cancelled or over before all of it is made, then no more is made and the rest is stock again."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support import past
from support.large import (
    assert_all_agrees,
    batch_events,
    beside,
    make,
    once_made,
    seen_at_once,
    stop,
)
from support.shop import Seller, Shop
from support.taking_back import REASON, assert_books_balance, cancel_batch, events

from premade.batches.batch import BatchStatus, BatchUnknown
from premade.batches.stop import DAY_IS_OVER
from premade.expiry.expire import Pass
from premade.generation import large as action
from premade.generation.large import BatchKeyRetired, BatchProgress, BatchStopped, LargeBatches
from premade.runtime.clock import Runtime
from premade.tickets.signing import retire_signing_key, rotate_signing_key, tickets_with_tokens_of

LAST_DAY = date(2026, 3, 31)
NEXT_DAY = "2026-04-01T00:00:00+00:00"


@pytest.fixture
def seller(shop: Shop) -> Seller:
    return shop.seller(stock=5_000)


def test_stopped_what_is_made_stays_and_the_rest_is_available(seller: Seller, shop: Shop) -> None:
    with pytest.raises(BatchStopped) as told:
        make(shop, seller, 3_000, report=once_made(1_000, lambda: stop(shop, seller)))

    assert told.value.members["made"] == 1_000
    seen = assert_all_agrees(shop, seller)
    assert (seen["unused"], seen["issued"], seen["unmade"]) == (1_000, 1_000, 2_000)
    again = stop(shop, seller)
    assert (again.status, again.made, again.unmade) == (BatchStatus.STOPPED, 1_000, 2_000)
    with pytest.raises(BatchStopped):
        make(shop, seller, 3_000)
    assert [event for event, _ in batch_events(shop, seller)] == [
        "batch.generation_begun", "batch.generation_stopped",
    ]  # fmt: skip
    assert batch_events(shop, seller)[1][1] == {
        "product_id": seller.product_id,
        "made": 1_000,
        "unmade": 2_000,
        "reason": action.BY_COMMAND,
    }
    assert seller.draw("LARGE", 100).status_code == 200
    assert make(shop, seller, 4_000, "ANOTHER").made == 4_000
    assert_all_agrees(shop, seller)
    assert_books_balance(shop, seller)


def test_stopped_before_the_first_ticket_nothing_of_it_is_left_but_the_batch(
    seller: Seller, shop: Shop
) -> None:
    with pytest.raises(BatchStopped):
        make(shop, seller, 600, report=once_made(0, lambda: stop(shop, seller)))

    assert assert_all_agrees(shop, seller)["issued"] == 0
    told = seller.http.get("/api/ota/batches/LARGE").json()
    assert (told["status"], told["quantity"], told["made"]) == ("STOPPED", 600, 0)


def test_a_batch_that_there_is_not_cannot_be_stopped(seller: Seller, shop: Shop) -> None:
    make(shop, seller, 10)
    other = shop.seller()
    for whose, batch_id in ((seller, "NONE"), (seller, "no id"), (other, "LARGE")):
        with pytest.raises(BatchUnknown):
            stop(shop, whose, batch_id)


def test_what_was_taken_from_a_reservation_and_not_made_is_available_to_all(
    seller: Seller, shop: Shop
) -> None:
    hold = seller.hold(1_500)
    with pytest.raises(BatchStopped):
        make(
            shop,
            seller,
            1_200,
            report=once_made(500, lambda: stop(shop, seller)),
            reservation_id=hold,
        )

    seen = assert_all_agrees(shop, seller)
    assert (seen["held"], seen["issued"]) == (300, 500)
    [stock] = seller.http.get("/api/ota/inventory").json()["items"]
    assert stock["available"] == 5_000 - 300 - 500


def test_cancelling_the_batch_while_it_is_made_takes_back_what_is_made_and_ends_the_rest(
    seller: Seller, shop: Shop
) -> None:
    answers: list[Any] = []
    seller_sells = once_made(500, lambda: seller.draw("LARGE", 3))
    cancelling = once_made(1_500, lambda: answers.append(cancel_batch(seller, "LARGE", key="k")))

    def report(making: BatchProgress) -> None:
        seller_sells(making)
        cancelling(making)

    with pytest.raises(BatchStopped):
        make(shop, seller, 4_000, report=report)

    told = answers[0].json()
    assert (told["cancelled"], told["left_alone"]["ACTIVE"], told["unmade"]) == (1_497, 3, 2_500)
    again = cancel_batch(seller, "LARGE", key="k")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (told, "true")
    assert cancel_batch(seller, "LARGE").json()["unmade"] == 0
    seen = assert_all_agrees(shop, seller)
    assert (seen["issued"], seen["unused"]) == (3, 0)
    assert_books_balance(shop, seller)
    [stopped] = [data for event, data in batch_events(shop, seller) if event == "batch.generation_stopped"]
    assert (stopped["unmade"], stopped["reason"]) == (2_500, REASON)


@pytest.mark.parametrize("least", [0, 500, 1_000])
def test_a_cancellation_that_runs_into_the_maker_at_work_leaves_no_unused_ticket(
    seller: Seller, shop: Shop, least: int
) -> None:
    """Not between two transactions of the maker, but against them."""
    answers: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as partner:

        def report(making: BatchProgress) -> None:
            if making.made >= least and not answers:
                answers.append(partner.submit(lambda: cancel_batch(seller, "LARGE")))

        with suppress(BatchStopped):
            make(shop, seller, 5_000, report=report)
        told = answers[0].result(60).json()

    seen = assert_all_agrees(shop, seller)
    assert (seen["unused"], seen["issued"], seen["to_make"]) == (0, 0, 0)
    assert told["cancelled"] + told["unmade"] == 5_000
    assert_books_balance(shop, seller)


# On a database of its own, at a time that the test sets.


class Gone(Exception):
    """The maker, for good."""


def test_expiry_ends_the_making_of_a_batch_whose_last_day_of_sale_is_over(
    shop_of_clock: Shop, clock: Any
) -> None:
    shop = shop_of_clock
    seller = shop.seller(stock=5_000)

    def leave() -> None:
        raise Gone

    with pytest.raises(Gone):
        make(shop, seller, 3_000, report=once_made(1_000, leave), valid_until=LAST_DAY)
    assert assert_all_agrees(shop, seller)["issued"] == 3_000
    clock.set(NEXT_DAY)

    assert past.expire(shop) == Pass(due=1, ended=1, expired=1_000)
    assert past.expire(shop) == Pass()
    seen = assert_all_agrees(shop, seller)
    assert (seen["issued"], seen["unmade"]) == (0, 2_000)
    assert batch_events(shop, seller)[1][1]["reason"] == DAY_IS_OVER
    assert len(events(shop, seller, "ticket.expired")) == 1_000
    assert_books_balance(shop, seller)


def test_at_midnight_the_maker_ends_by_itself(shop_of_clock: Shop, clock: Any) -> None:
    shop = shop_of_clock
    seller = shop.seller(stock=5_000)

    with pytest.raises(BatchStopped):
        make(shop, seller, 3_000, report=once_made(1_000, lambda: clock.set(NEXT_DAY)), valid_until=LAST_DAY)

    assert assert_all_agrees(shop, seller)["issued"] == 1_000
    assert past.expire(shop) == Pass(due=1, ended=1, expired=1_000)
    assert assert_all_agrees(shop, seller)["issued"] == 0


@pytest.mark.nightly
def test_expiry_at_work_against_the_maker_leaves_all_in_order(shop_of_clock: Shop, clock: Any) -> None:
    """The day of the expiry is over, that of the maker is not: their machines' clocks differ."""
    shop = shop_of_clock
    seller = shop.seller(stock=5_000)
    tomorrow = replace(shop, runtime=Runtime(ZoneInfo("UTC"), now=lambda: _tomorrow(clock)))
    with ThreadPoolExecutor(1) as service:
        passes: list[Any] = []

        def report(making: BatchProgress) -> None:
            if making.made == 1_000:
                passes.append(service.submit(lambda: [past.expire(tomorrow) for _ in range(20)]))

        with suppress(BatchStopped):
            make(shop, seller, 5_000, report=report, valid_until=LAST_DAY)
        passes[0].result(60)
    past.expire(tomorrow)

    seen = assert_all_agrees(shop, seller)
    assert (seen["issued"], seen["unused"], seen["to_make"]) == (0, 0, 0)
    assert past.expire(tomorrow) == Pass()


def _tomorrow(clock: Any) -> Any:
    return clock.now + timedelta(days=1)


def test_a_batch_is_signed_by_one_key_and_does_not_go_on_when_that_is_retired(
    shop_of_clock: Shop, clock: Any
) -> None:
    shop = shop_of_clock
    seller = shop.seller(stock=5_000)

    def rotate(*, and_retire: bool) -> Callable[[], None]:
        def do() -> None:
            shop.operate(rotate_signing_key)
            clock.set("2026-03-31T12:05:00+00:00")
            if and_retire:
                shop.operate(lambda database, runtime: retire_signing_key(database, runtime, "K1"))

        return do

    with pytest.raises(BatchKeyRetired):
        make(shop, seller, 2_000, report=once_made(1_000, rotate(and_retire=True)))

    assert shop.operate(lambda database, _: tickets_with_tokens_of(database, "K1")).unused == 1_000
    assert stop(shop, seller).unmade == 1_000
    make(shop, seller, 1_000, "NEXT", report=once_made(500, rotate(and_retire=False)))
    assert shop.operate(lambda database, _: tickets_with_tokens_of(database, "K2")).unused == 1_000
    keys = shop.sql(
        "SELECT DISTINCT batch_id, split_part(convert_from(decode(qr_code, 'base64'), 'UTF8'), ':', 4) AS k"
        " FROM pre_generated_tickets"
    )
    assert sorted((row["batch_id"], row["k"]) for row in keys) == [("LARGE", "K1"), ("NEXT", "K2")]


def test_progress_is_read_from_the_database(seller: Seller, shop: Shop) -> None:
    def read() -> int:
        return shop.operate(
            lambda database, runtime: LargeBatches(database, runtime, None).progress(  # pyright: ignore[reportArgumentType]
                seller.partner_id, "LARGE"
            )
        ).made

    seen: list[tuple[int, int]] = []
    make(shop, seller, 1_200, report=lambda making: seen.append((making.made, beside(read))))

    assert seen == [(0, 0), (500, 500), (1_000, 1_000), (1_200, 1_200)]
    assert seen_at_once(shop, seller)["made"] == 1_200
