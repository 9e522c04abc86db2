"""A partner holds stock of its channel for a while, sees what it holds, and lets go of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.shop import PARTNER_PERMISSIONS, Seller, Shop

from premade.partners.keyring import Caller
from premade.partners.partner import PartnerChangedMeanwhile, set_reservation_hours
from premade.runtime.clock import Runtime
from premade.runtime.errors import Invalid
from premade.stock.reservation import Reservation
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest

Conserved = Callable[[Seller], dict[str, Any]]
LetExpire = Callable[..., None]
KEY = {"Idempotency-Key": "first-try"}


def after(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def wrong_fields(answer: Any) -> dict[str, str]:
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST"), answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_reservation_holds_stock_that_nobody_else_can_have(shop: Shop, conserved: Conserved) -> None:
    seller = shop.seller(stock=100)

    answer = seller.reserve(60)

    assert answer.status_code == 201
    made = answer.json()
    assert made | {"reservation_id": "", "expires_at": "", "created_at": ""} == {
        "reservation_id": "",
        "product_id": seller.product_id,
        "quantity": 60,
        "taken": 0,
        "held": 60,
        "status": "HELD",
        "expires_at": "",
        "created_at": "",
    }
    assert made["reservation_id"].startswith("RSV-")
    assert moment(made["expires_at"]) - moment(made["created_at"]) == timedelta(hours=24)
    assert conserved(seller) == {"allotted": 100, "issued": 0, "held": 60, "available": 40}
    for short in (seller.generate(41), seller.reserve(41)):
        assert refusal(short) == (409, "STOCK_SHORT")
        assert short.json()["available"] == 40
    assert seller.generate(40).status_code == 201
    assert conserved(seller)["available"] == 0


def test_holding_is_told_to_the_audit_record_in_the_same_breath(seller: Seller, shop: Shop) -> None:
    reservation_id = seller.hold(7, expires_at=after(hours=1))
    seller.release(reservation_id)

    events = shop.sql(
        "SELECT event, actor, request_id IS NOT NULL AS named, data FROM audit_events"
        " WHERE partner_id = %s AND event LIKE 'reservation.%%' ORDER BY event_id",
        seller.partner_id,
    )
    assert [event["event"] for event in events] == ["reservation.made", "reservation.released"]
    assert all(event["actor"] == f"key:{seller.key_id}" and event["named"] for event in events)
    assert {event["data"]["reservation_id"] for event in events} == {reservation_id}
    assert (events[0]["data"]["quantity"], events[1]["data"]["held"]) == (7, 7)


def test_a_reservation_lasts_until_the_time_that_was_asked_for(seller: Seller) -> None:
    for asked, told in [
        (f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT10:00:00}+08:00", "T02:00:00.000Z"),
        (f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dt10:00:00.1239}z", "T10:00:00.123Z"),
    ]:
        answer = seller.reserve(1, expires_at=asked)
        assert answer.status_code == 201, answer.text
        assert answer.json()["expires_at"].endswith(told)


def test_a_partner_holds_no_longer_than_the_operator_lets_it(seller: Seller, shop: Shop) -> None:
    too_long = seller.reserve(1, expires_at=after(days=7, minutes=1))
    shop.operate(lambda database, runtime: set_reservation_hours(database, runtime, seller.name, 2))
    too_long_now = seller.reserve(1, expires_at=after(hours=3))
    unless_told = seller.reserve(1).json()

    assert "your reservations last at most 168 hours" in wrong_fields(too_long)["#/expires_at"]
    latest = wrong_fields(too_long_now)["#/expires_at"].split()[2]
    assert timedelta(minutes=119) < moment(latest) - datetime.now(UTC) < timedelta(hours=2)
    assert seller.reserve(1, expires_at=latest).status_code == 201
    assert moment(unless_told["expires_at"]) - moment(unless_told["created_at"]) == timedelta(hours=2)


def test_a_limit_that_somebody_else_changed_meanwhile_is_kept(seller: Seller, shop: Shop) -> None:
    def set_hours(hours: int, expected: int) -> None:
        shop.operate(
            lambda database, runtime: set_reservation_hours(
                database, runtime, seller.name, hours, expected=expected
            )
        )

    set_hours(2, expected=168)
    with pytest.raises(PartnerChangedMeanwhile):
        set_hours(3, expected=168)

    kept = shop.sql("SELECT reservation_hours_max FROM partners WHERE partner_id = %s", seller.partner_id)
    events = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'partner.changed' AND partner_id = %s", seller.partner_id
    )
    assert [row["reservation_hours_max"] for row in kept] == [2]
    assert len(events) == 1


@pytest.mark.parametrize(
    "expires_at",
    ["2020-01-01T00:00:00Z", "2099-01-01", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", "soon", 4102444800, True,
     "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2099-01-01T00:00:00+99:99", "\u0000", ""],
)  # fmt: skip
def test_a_time_that_is_none_or_past_is_named(seller: Seller, expires_at: Any) -> None:
    assert list(wrong_fields(seller.reserve(1, expires_at=expires_at))) == ["#/expires_at"]


def test_every_wrong_field_is_named(seller: Seller) -> None:
    wrong = seller.reserve(0, product_id="106", expires_at="tomorrow", headers={"Idempotency-Key": "a b"})

    assert set(wrong_fields(wrong)) == {
        "#/product_id",
        "#/quantity",
        "#/expires_at",
        "header#/Idempotency-Key",
    }
    assert wrong_fields(seller.reserve(100_001)).keys() == {"#/quantity"}
    assert wrong_fields(seller.reserve(10**30)).keys() == {"#/quantity"}
    assert set(wrong_fields(seller.http.post("/api/ota/reservations", json={}))) == {
        "#/product_id",
        "#/quantity",
    }


def test_a_product_that_is_none_or_has_no_stock_on_the_channel_cannot_be_held(
    seller: Seller, shop: Shop
) -> None:
    elsewhere = shop.seller()

    assert refusal(seller.reserve(1, product_id=7)) == (404, "PRODUCT_UNKNOWN")
    short = seller.reserve(1, product_id=elsewhere.product_id)
    assert refusal(short) == (409, "STOCK_SHORT")
    assert short.json()["available"] == 0


def test_a_released_reservation_gives_back_what_it_holds_and_says_so_however_often(
    shop: Shop, conserved: Conserved
) -> None:
    seller = shop.seller(stock=10)
    reservation_id = seller.hold(10)

    first, again = seller.release(reservation_id), seller.release(reservation_id)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["held"], first.json()["quantity"]) == ("RELEASED", 0, 10)
    assert conserved(seller)["available"] == 10
    events = shop.sql(
        "SELECT FROM audit_events WHERE partner_id = %s AND event = 'reservation.released'", seller.partner_id
    )
    assert len(events) == 1


def test_what_expired_or_is_used_up_cannot_be_released(seller: Seller, let_expire: LetExpire) -> None:
    expired, used_up = seller.hold(5), seller.hold(5)
    let_expire(expired)
    seller.tickets(5, reservation_id=used_up)

    for reservation_id, status in ((expired, "EXPIRED"), (used_up, "USED_UP")):
        answer = seller.release(reservation_id)
        assert refusal(answer) == (409, "RESERVATION_ENDED")
        assert answer.json()["reservation_status"] == status
        assert seller.http.get(f"/api/ota/reservations/{reservation_id}").json()["status"] == status


def test_a_reservation_is_read_as_it_is_now(seller: Seller) -> None:
    made = seller.reserve(5).json()
    path = f"/api/ota/reservations/{made['reservation_id']}"

    assert seller.http.get(path).json() == made
    seller.tickets(2, reservation_id=made["reservation_id"])
    assert seller.http.get(path).json() == made | {"taken": 2, "held": 3}


def test_another_partner_s_reservation_is_answered_like_an_unknown_one(seller: Seller, shop: Shop) -> None:
    theirs = shop.seller().hold(1)
    unknown = "RSV-0000000000000"

    for name in (theirs, unknown, "RSV-1", "%00", "%ED%A0%80", "x" * 3000, "RSV-%EF%BC%91762274285982"):
        for answer in (seller.http.get(f"/api/ota/reservations/{name}"), seller.release(name)):
            assert refusal(answer) == (404, "RESERVATION_UNKNOWN"), name
    answers = [seller.http.get(f"/api/ota/reservations/{name}").json() for name in (theirs, unknown)]
    for answer in answers:
        answer.pop("request_id")
    assert str(answers[0]).replace(theirs, unknown) == str(answers[1])
    assert seller.http.get("/api/ota/reservations").json() == {"items": [], "next": None}


def test_reservations_are_listed_newest_first_in_pages(seller: Seller, let_expire: LetExpire) -> None:
    made = [seller.hold(number + 1) for number in range(5)]
    seller.release(made[0])
    let_expire(made[1])

    first = seller.http.get("/api/ota/reservations", params={"limit": 2})
    pages = [first.json()]
    while pages[-1]["next"]:
        query = {"limit": 2, "cursor": pages[-1]["next"]}
        pages.append(seller.http.get("/api/ota/reservations", params=query).json())

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    listed = [item for page in pages for item in page["items"]]
    assert [item["reservation_id"] for item in listed] == made[::-1]
    assert [item["status"] for item in listed] == ["HELD", "HELD", "HELD", "EXPIRED", "RELEASED"]
    assert first.headers["Link"] == f'</api/ota/reservations?limit=2&cursor={pages[0]["next"]}>; rel="next"'
    assert seller.http.get("/api/ota/reservations").json() == {"items": listed, "next": None}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"cursor": "WyJvIl0"}])
def test_a_page_that_cannot_be_is_named(seller: Seller, query: dict[str, Any]) -> None:
    assert wrong_fields(seller.http.get("/api/ota/reservations", params=query)).keys() == {
        f"query#/{name}" for name in query
    }


def test_reservations_need_their_own_permission(seller: Seller, shop: Shop) -> None:
    reservation_id = seller.hold(1)
    others = [name for name in PARTNER_PERMISSIONS if name != "inventory:reserve"]
    client = shop.client(shop.key(seller.name, others).key)
    body = {"product_id": seller.product_id, "quantity": 1}

    for answer in (
        client.post("/api/ota/reservations", json=body),
        client.get("/api/ota/reservations"),
        client.get(f"/api/ota/reservations/{reservation_id}"),
        client.delete(f"/api/ota/reservations/{reservation_id}"),
    ):
        assert refusal(answer) == (403, "PERMISSION_MISSING")


def test_a_method_that_is_not_taken_is_told_all_that_are(seller: Seller) -> None:
    for path, methods in (("", "GET, HEAD, POST"), (f"/{seller.hold(1)}", "DELETE, GET, HEAD")):
        answer = seller.http.put(f"/api/ota/reservations{path}")
        assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == methods
        assert methods in answer.json()["detail"]


def test_a_retry_is_answered_as_the_first_try_and_holds_nothing_more(
    shop: Shop, conserved: Conserved, let_expire: LetExpire
) -> None:
    seller = shop.seller(stock=10)
    wanted = {"expires_at": after(hours=1)}
    first = seller.reserve(10, headers=KEY, **wanted)
    seller.tickets(3, reservation_id=first.json()["reservation_id"])

    again = seller.reserve(10, headers=KEY, **wanted)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert conserved(seller) == {"allotted": 10, "issued": 3, "held": 7, "available": 0}


def test_a_retry_after_the_hold_is_over_is_answered_all_the_same(seller: Seller, shop: Shop) -> None:
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    now = datetime.now(UTC)
    request = ReservationRequest(caller, "r", seller.product_id, 1, now + timedelta(hours=1))

    def reserve_at(moment: datetime, key: str) -> Reservation:
        runtime = Runtime(shop.runtime.zone, now=lambda: moment)
        keyed = replace(request, idempotency_key=key)
        return replace(shop, runtime=runtime).operate(
            lambda database, _: Reservations(database, runtime).reserve(keyed)
        )

    first = reserve_at(now, "first-try")
    again = reserve_at(now + timedelta(days=2), "first-try")

    assert again == replace(first, replayed=True)
    with pytest.raises(Invalid, match="later than now"):
        reserve_at(now + timedelta(days=2), "another")


def test_another_request_with_the_same_key_is_refused(seller: Seller) -> None:
    one, two = seller.hold(1, headers=KEY), seller.hold(1)
    assert refusal(seller.reserve(2, headers=KEY)) == (422, "IDEMPOTENCY_KEY_REUSED")

    released = seller.release(one, headers=KEY)

    assert released.status_code == 200
    assert "Idempotency-Replayed" not in released.headers
    again = seller.release(one, headers=KEY)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (released.json(), "true")
    for other in (two, "RSV-0000000000000", "%00"):
        assert refusal(seller.release(other, headers=KEY)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert seller.http.get(f"/api/ota/reservations/{two}").json()["status"] == "HELD"


def test_the_same_time_in_another_zone_is_the_same_request(seller: Seller) -> None:
    moment_utc = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    east = moment_utc + timedelta(hours=8)

    first = seller.reserve(1, headers=KEY, expires_at=f"{moment_utc:%Y-%m-%dT%H:%M:%S}Z")
    again = seller.reserve(1, headers=KEY, expires_at=f"{east:%Y-%m-%dT%H:%M:%S}.000+08:00")

    assert (again.json(), again.headers.get("Idempotency-Replayed")) == (first.json(), "true")
