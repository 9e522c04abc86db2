"""An expired hold frees its stock for whoever asks, though nobody has come by since."""

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.service import Service
from support.shop import Seller, Shop

from premade.runtime.errors import DomainError
from premade.stock import hold
from premade.stock.allotment import list_allotments, set_allotment

Conserved = Callable[[Seller], dict[str, Any]]
LetExpire = Callable[..., None]
HELD = "SELECT held FROM allotments WHERE product_id = %s"
ENDED = "SELECT end_reason FROM reservations WHERE reservation_id = %s AND ended_at IS NOT NULL"


def test_a_batch_can_have_what_an_expired_reservation_held(
    shop: Shop, let_expire: LetExpire, conserved: Conserved
) -> None:
    seller = shop.seller(stock=10)
    reservation_id = seller.hold(10)
    seller.tickets(4, reservation_id=reservation_id)
    let_expire(reservation_id)

    assert seller.generate(7).json()["available"] == 6
    assert seller.generate(6).status_code == 201
    assert conserved(seller) == {"allotted": 10, "issued": 10, "held": 0, "available": 0}
    assert shop.sql(ENDED, reservation_id) == [{"end_reason": "expired"}]


def test_a_new_hold_can_have_what_an_expired_one_held(
    shop: Shop, let_expire: LetExpire, conserved: Conserved
) -> None:
    seller = shop.seller(stock=10)
    let_expire(seller.hold(4), seller.hold(6))

    assert seller.reserve(11).json()["available"] == 10
    assert seller.reserve(10).status_code == 201
    assert conserved(seller)["held"] == 10


def test_a_reservation_that_expired_says_so_before_and_after_its_stock_is_given_back(
    seller: Seller, shop: Shop, let_expire: LetExpire
) -> None:
    reservation_id = seller.hold(5)
    let_expire(reservation_id)
    path = f"/api/ota/reservations/{reservation_id}"

    before = seller.http.get(path).json()
    assert shop.sql(ENDED, reservation_id) == []
    seller.tickets(1)
    assert shop.sql(ENDED, reservation_id) == [{"end_reason": "expired"}]

    assert (before["status"], before["held"]) == ("EXPIRED", 0)
    assert seller.http.get(path).json() == before


def test_giving_back_is_told_to_the_audit_record_once_by_nobody_s_hand(
    seller: Seller, shop: Shop, let_expire: LetExpire
) -> None:
    reservation_id = seller.hold(5)
    seller.tickets(2, reservation_id=reservation_id)
    let_expire(reservation_id)

    seller.tickets(1)
    seller.tickets(1)

    told = shop.sql(
        "SELECT actor, data FROM audit_events WHERE partner_id = %s AND event = 'reservation.expired'",
        seller.partner_id,
    )
    data = {"reservation_id": reservation_id, "product_id": seller.product_id, "held": 3}
    assert told == [{"actor": "clock", "data": data}]


def test_a_dry_run_counts_what_has_expired_and_gives_nothing_back(shop: Shop, let_expire: LetExpire) -> None:
    seller = shop.seller(stock=10)
    reservation_id = seller.hold(10)
    let_expire(reservation_id)

    assert seller.generate(10, dry_run=True).json()["available"] == 10
    assert shop.sql(HELD, seller.product_id) == [{"held": 10}]


def test_the_operator_s_list_and_the_metrics_leave_out_what_has_expired(
    shop: Shop, service: Service, let_expire: LetExpire
) -> None:
    seller = shop.seller(stock=10)
    seller.hold(4)
    let_expire(seller.hold(3))

    [listed] = [row for row in shop.operate(list_allotments) if row.product_id == seller.product_id]
    with urllib.request.urlopen(service.metrics_url, timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    [available] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "premade_allotment_available"
        and sample.labels["product_id"] == str(seller.product_id)
    ]

    assert (listed.held, listed.available, available) == (4, 6, 6)
    assert shop.sql(HELD, seller.product_id) == [{"held": 7}]


def test_an_allotment_can_be_lowered_to_what_is_issued_and_still_held(
    shop: Shop, let_expire: LetExpire, conserved: Conserved
) -> None:
    seller = shop.seller(stock=10)
    seller.hold(4)
    seller.tickets(2)
    let_expire(seller.hold(3))
    allot = lambda quantity: shop.operate(  # noqa: E731
        lambda database, runtime: set_allotment(
            database, runtime, seller.product_id, seller.channel, quantity
        )
    )

    with pytest.raises(DomainError, match="must be 6 or more"):
        allot(5)
    told = allot(6)

    assert (told.issued, told.held, told.available) == (2, 4, 0)
    assert conserved(seller)["available"] == 0


def test_however_many_have_expired_all_are_given_back(
    shop: Shop, let_expire: LetExpire, conserved: Conserved, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = shop.seller(stock=10)
    let_expire(*(seller.hold(2) for _ in range(5)))
    monkeypatch.setattr(hold, "HOLDS_A_TRANSACTION_MAX", 2)

    shop.operate(
        lambda database, runtime: hold.expire_holds(database, runtime, seller.product_id, seller.channel)
    )

    assert conserved(seller)["available"] == 10


def test_one_channel_s_expired_holds_free_nothing_on_another(shop: Shop, let_expire: LetExpire) -> None:
    seller, other = shop.seller(stock=10), shop.seller(stock=10)
    shop.operate(
        lambda database, runtime: set_allotment(database, runtime, seller.product_id, other.channel, 10)
    )
    theirs = other.hold(10, product_id=seller.product_id)
    let_expire(theirs)
    seller.hold(10)

    assert seller.generate(1).status_code == 409
    assert shop.sql(ENDED, theirs) == []
    assert other.generate(10, product_id=seller.product_id).status_code == 201
