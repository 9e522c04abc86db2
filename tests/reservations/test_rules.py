"""What a reservation may be, and what it is at a moment: the rules alone, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from premade.runtime.errors import Invalid
from premade.stock.reservation import (
    ReservationEnded,
    ReservationStatus,
    ReservationTooSmall,
    check_take,
    expiry,
    is_reservation_id,
    reservation_at,
    status_of,
)
from premade.stock.reserve_sql import ReservationRow

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def test_a_hold_is_over_at_the_instant_it_expires() -> None:
    assert status_of(None, NOW + INSTANT, NOW) is ReservationStatus.HELD
    assert status_of(None, NOW, NOW) is ReservationStatus.EXPIRED


@pytest.mark.parametrize("reason", ["released", "expired", "used_up"])
def test_what_ended_a_reservation_stays_what_ended_it(reason: str) -> None:
    assert {status_of(reason, NOW + shift, NOW) for shift in (-INSTANT, INSTANT)} == {
        ReservationStatus(reason.upper())
    }


def test_a_hold_lasts_a_day_unless_told_and_never_longer_than_the_partner_may() -> None:
    assert expiry(None, NOW, 168) == NOW + timedelta(hours=24)
    assert expiry(None, NOW, 3) == NOW + timedelta(hours=3)
    assert expiry(NOW + timedelta(hours=3), NOW, 3) == NOW + timedelta(hours=3)
    assert expiry(NOW + INSTANT, NOW, 3) == NOW + INSTANT


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (NOW, "later than now, 2026-03-31T12:00:00.000Z"),
        (NOW - timedelta(days=1), "later than now"),
        (
            NOW + timedelta(hours=3) + INSTANT,
            "2026-03-31T15:00:00.000Z or earlier: your reservations last at most 3 hours",
        ),
    ],
)
def test_a_hold_that_is_over_already_or_too_long_is_invalid_and_says_what_is_right(
    asked: datetime, told: str
) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        expiry(asked, NOW, 3)

    assert [error.pointer for error in refused.value.errors] == ["#/expires_at"]


def test_a_batch_takes_at_most_what_is_left_of_a_reservation_that_holds() -> None:
    check_take("RSV-1", ReservationStatus.HELD, left=5, quantity=5)
    with pytest.raises(ReservationTooSmall) as small:
        check_take("RSV-1", ReservationStatus.HELD, left=5, quantity=6)
    assert small.value.members["held"] == 5
    for status in set(ReservationStatus) - {ReservationStatus.HELD}:
        with pytest.raises(ReservationEnded) as ended:
            check_take("RSV-1", status, left=5, quantity=1)
        assert ended.value.members["reservation_status"] == status


def test_only_a_reservation_that_holds_has_anything_held() -> None:
    row = ReservationRow(
        reservation_id="RSV-1762274285982",
        product_id=1,
        quantity=10,
        taken=4,
        created_at=NOW - timedelta(hours=1),
        expires_at=NOW,
        end_reason=None,
    )

    assert reservation_at(row, NOW - INSTANT).held == 6
    assert reservation_at(row, NOW).held == 0
    assert reservation_at(replace(row, end_reason="released"), NOW - INSTANT).held == 0


def test_a_reservation_id_has_one_form() -> None:
    assert is_reservation_id("RSV-1762274285982")
    wrong = (
        "RSV-176227428598",
        "RSV-1762274285982\n",
        "rsv-1762274285982",
        "RSV-１762274285982",
        "ORD-1762274285982",
    )
    assert not any(is_reservation_id(text) for text in wrong)
