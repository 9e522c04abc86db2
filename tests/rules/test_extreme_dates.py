"""Dates at the ends of the calendar: whatever is accepted, or stored already, is read again everywhere, in every zone."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest
from browser.visitors import Visitor, visitor
from support.postgres import empty_database
from support.service import environment_for, running_service
from support.shop import Seller, Shop
from support.terminal import Operator

from premade.base.cursors import Order
from premade.base.world import World
from premade.database import bring_up_to_date

FIRST, LAST = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999+00:00"
DAYS = ["0001-01-01", "0001-01-02", "1969-12-31", "9000-12-31", "9001-01-01", "9999-12-30", "9999-12-31"]
NO_DAYS = ["0000-12-31", "10000-01-01", "2026-02-29", "+9999-12-31", "-0001-01-01"]
OFFSETS = ["Z", "+14:00", "-12:00", "+23:59", "-23:59"]
MOMENTS = [
    f"{day}T{time}{offset}" for day in DAYS for time in ("00:00:00", "23:59:59.999") for offset in OFFSETS
]


@pytest.fixture(scope="module", params=["Pacific/Honolulu", "Pacific/Kiritimati"])
def far_shop(
    request: pytest.FixtureRequest, dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop whose days begin far from those of UTC."""
    zone = str(request.param)
    world = World(ZoneInfo(zone))
    with empty_database(dsn) as own:
        bring_up_to_date(own, world)
        log: Path = tmp_path_factory.mktemp("far") / "log"
        with running_service(environment_for(own, PREMADE_TIMEZONE=zone), log, workers=1) as running:
            yield Shop(own, running.url, world)


@pytest.fixture
def far_seller(far_shop: Shop) -> Seller:
    return far_shop.seller(stock=5000)


@pytest.fixture
def admin(far_shop: Shop) -> Iterator[Visitor]:
    with visitor(far_shop, "admin") as admin:
        yield admin


def works(answer: httpx.Response, *statuses: int) -> httpx.Response:
    assert answer.status_code in (statuses or (200,)), (
        answer.request.url,
        answer.status_code,
        answer.text[:500],
    )
    return answer


def test_the_end_of_a_hold(far_shop: Shop, far_seller: Seller, admin: Visitor) -> None:
    for moment in [*MOMENTS, "10000-01-01T00:00:00Z", "2026-02-29T00:00:00Z"]:
        answer = far_seller.reserve(1, expires_at=moment)
        works(answer, 400)
        assert [each["pointer"] for each in answer.json()["errors"]] == ["#/expires_at"], moment
    works(far_seller.http.get("/api/ota/reservations"))
    works(admin.http.get("/console"))


def test_the_end_of_a_key_by_command_and_console(far_shop: Shop, far_seller: Seller, admin: Visitor) -> None:
    operator = Operator(far_shop.dsn)
    for text in [*DAYS, *NO_DAYS, MOMENTS[0], MOMENTS[-1], "999999d", "9000-12-31T23:59:59-23:59"]:
        done = operator.run(
            "key", "create", "--partner", far_seller.name, "--permission", "tickets:read", "--expires", text
        )
        assert "Traceback" not in done.stderr, text
        assert done.returncode == 0 or "expires" in done.stderr, (text, done.stderr)
        sent = admin.sends(
            f"/console/partners/{far_seller.partner_id}/keys/new",
            **{"once": "0" * 32, "tickets:read": "yes", "expires": text},
        )
        works(sent, 200, 400, 409)
    works(admin.http.get(f"/console/partners/{far_seller.partner_id}"))
    assert operator.run("key", "list").returncode == 0
    longest = operator.run("key", "rotate", str(far_seller.key_id), "--overlap", "999999d")
    assert longest.returncode == 0, longest.stderr
    works(far_seller.http.get("/api/ota/inventory"))


def test_from_and_to_of_the_audit_record(admin: Visitor) -> None:
    for field in ("start", "before"):
        for text in [*DAYS, *NO_DAYS, *MOMENTS, *(f"{day}T00:00" for day in DAYS), "24:00", "9" * 400]:
            answer = works(admin.http.get(f"/console/audit?{field}={quote(text)}"), 200, 400)
            assert answer.status_code == 200 or "day and a time" in answer.text, text


def test_places_in_lists_that_name_a_time(far_shop: Shop, far_seller: Seller) -> None:
    cursors = {
        path: answer.json()["next"]
        for path in ("/api/ota/batches", "/api/ota/orders", "/api/ota/tickets")
        if [far_seller.activate(code) for code in far_seller.tickets(2)]
        and far_seller.generate(1)
        and "next" in (answer := far_seller.http.get(path, params={"limit": 1})).json()
    }
    assert cursors
    for path, cursor in cursors.items():
        works(far_seller.http.get(path, params={"cursor": cursor}))
    order = Order("orders", {"created_at": datetime, "order_id": str})
    for moment in (FIRST, LAST, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        named = order.cursor({"created_at": moment, "order_id": "ORD-0"})
        for path in cursors:
            works(far_seller.http.get(path, params={"cursor": named}), 200, 400)
