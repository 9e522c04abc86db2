"""Dates at the ends of the calendar: whatever is accepted, or stored already, is read again everywhere, in every zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from browser.visitors import Visitor, visitor
from gate.conftest import gate_of
from support.postgres import empty_database
from support.service import environment_for, running_service
from support.shop import Seller, Shop, sale
from support.terminal import Operator

from premade.bootstrap import bring_up_to_date
from premade.postgres.keyset import Keyset
from premade.runtime.clock import Runtime, rfc3339

FIRST, LAST = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999+00:00"
DAYS = ["0001-01-01", "0001-01-02", "1969-12-31", "9000-12-31", "9001-01-01", "9999-12-30", "9999-12-31"]
NO_DAYS = ["0000-12-31", "10000-01-01", "2026-02-29", "+9999-12-31", "-0001-01-01"]
OFFSETS = ["Z", "+14:00", "-12:00", "+23:59", "-23:59"]
MOMENTS = [
    f"{day}T{time}{offset}" for day in DAYS for time in ("00:00:00", "23:59:59.999") for offset in OFFSETS
]
EXPORTS = ("csv", "jsonl", "xlsx")
EXTREME = """
    UPDATE pre_generated_tickets SET created_at = %(at)s::timestamptz,
        activated_at = CASE WHEN activated_at IS NOT NULL THEN %(at)s::timestamptz END,
        first_used_at = CASE WHEN activated_at IS NOT NULL THEN %(at)s::timestamptz END,
        usable_until = %(at)s::timestamptz::date, valid_until = %(at)s::timestamptz::date
    WHERE partner_id = %(partner_id)s;
    UPDATE batches SET created_at = %(at)s::timestamptz, valid_until = %(at)s::timestamptz::date
    WHERE partner_id = %(partner_id)s;
    UPDATE ota_orders SET created_at = %(at)s::timestamptz WHERE partner_id = %(partner_id)s;
    UPDATE api_keys SET created_at = %(at)s::timestamptz, last_used_at = %(at)s::timestamptz
    WHERE partner_id = %(partner_id)s;
    UPDATE reservations
    SET created_at = CASE WHEN %(at)s::timestamptz > '5000-01-01' THEN %(at)s::timestamptz - interval '1 hour'
                     ELSE %(at)s::timestamptz END,
        expires_at = CASE WHEN %(at)s::timestamptz > '5000-01-01' THEN %(at)s::timestamptz
                     ELSE %(at)s::timestamptz + interval '1 hour' END
    WHERE partner_id = %(partner_id)s;
    UPDATE audit_events SET occurred_at = %(at)s::timestamptz,
        data = coalesce(data, '{}') || jsonb_build_object('synced_at', %(at)s::text, 'scanned_at', %(at)s::text)
    WHERE partner_id = %(partner_id)s
"""


class _OrderKey(NamedTuple):
    created_at: datetime
    order_id: str


@pytest.fixture(scope="module", params=["Pacific/Honolulu", "Pacific/Kiritimati"])
def far_shop(
    request: pytest.FixtureRequest, dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop whose days begin far from those of UTC."""
    zone = str(request.param)
    runtime = Runtime(ZoneInfo(zone))
    with empty_database(dsn) as own:
        bring_up_to_date(own, runtime)
        log: Path = tmp_path_factory.mktemp("far") / "log"
        with running_service(environment_for(own, PREMADE_TIMEZONE=zone), log, workers=1) as running:
            yield Shop(own, running.url, runtime)


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


def everything_about(
    shop: Shop, seller: Seller, admin: Visitor, batch_id: str, code: str, order_id: str | None
) -> None:
    """Every place where the times of a ticket, its batch, its order and its partner are shown."""
    partner_id = seller.partner_id
    pages = [
        "/console",
        f"/console/tickets/{code}",
        f"/console/tickets?q={code}",
        "/console/audit",
        f"/console/audit?ticket={code}",
        f"/console/audit?partner={partner_id}&batch={batch_id}",
        f"/console/batch?partner={partner_id}&batch={batch_id}",
        "/console/batches",
        f"/console/partners/{partner_id}",
        "/console/operator-keys",
        f"/console/stock/{seller.product_id}",
    ]
    own = [
        f"/api/ota/tickets/{code}",
        f"/api/ota/tickets?batch_id={batch_id}",
        "/api/ota/tickets",
        "/api/ota/batches",
        f"/api/ota/batches/{batch_id}",
        "/api/ota/reservations",
        "/api/ota/orders",
        "/api/ota/inventory",
        *(f"/api/ota/batches/{batch_id}/tickets.{kind}" for kind in ("csv", "jsonl")),
    ]
    if order_id:
        pages += [f"/console/orders/{order_id}", f"/console/audit?order={order_id}"]
        own += [f"/api/ota/orders/{order_id}"]
    for path in pages:
        answer = admin.http.get(path)
        assert answer.status_code < 500, (path, answer.status_code)
        assert path.startswith("/console/stock") or answer.status_code in (200, 303), (
            path,
            answer.status_code,
        )
    for path in own:
        answer = seller.http.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])


@pytest.mark.nightly
def test_the_end_of_a_hold(far_shop: Shop, far_seller: Seller, admin: Visitor) -> None:
    for moment in [*MOMENTS, "10000-01-01T00:00:00Z", "2026-02-29T00:00:00Z"]:
        answer = far_seller.reserve(1, expires_at=moment)
        works(answer, 400)
        assert [each["pointer"] for each in answer.json()["errors"]] == ["#/expires_at"], moment
    works(far_seller.http.get("/api/ota/reservations"))
    works(admin.http.get("/console"))


@pytest.mark.nightly
def test_the_last_day_of_sale_of_a_batch(far_shop: Shop, far_seller: Seller, admin: Visitor) -> None:
    for day in [*DAYS, *NO_DAYS]:
        answer = works(far_seller.generate(1, valid_until=day), 201, 400)
        if answer.status_code == 400:
            assert [each["pointer"] for each in answer.json()["errors"]] == ["#/valid_until"], day
            continue
        made = answer.json()
        code = made["tickets"][0]["ticket_code"]
        sold = works(far_seller.activate(code)).json()
        everything_about(far_shop, far_seller, admin, made["batch_id"], code, sold["order_id"])
    assert far_seller.generate(1, valid_until="9999-12-31").status_code == 201


@pytest.mark.nightly
def test_days_of_a_product(far_shop: Shop, admin: Visitor) -> None:
    operator = Operator(far_shop.dsn)
    for day in [*DAYS, *NO_DAYS]:
        seller = far_shop.seller()
        done = operator.run("product", "set", str(seller.product_id), "--usable-until", day)
        assert "Traceback" not in done.stderr, day
        if done.returncode:
            assert "usable_until" in done.stderr, (day, done.stderr)
            continue
        answer = works(seller.generate(1), 201, 409)
        if answer.status_code == 201:
            made = answer.json()
            code = made["tickets"][0]["ticket_code"]
            sold = works(seller.activate(code)).json()
            everything_about(far_shop, seller, admin, made["batch_id"], code, sold["order_id"])


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_from_and_to_of_the_audit_record(admin: Visitor) -> None:
    for field in ("start", "before"):
        for text in [*DAYS, *NO_DAYS, *MOMENTS, *(f"{day}T00:00" for day in DAYS), "24:00", "9" * 400]:
            answer = works(admin.http.get(f"/console/audit?{field}={quote(text)}"), 200, 400)
            assert answer.status_code == 200 or "day and a time" in answer.text, text


@pytest.mark.nightly
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
    order = Keyset("orders", _OrderKey)
    for moment in (FIRST, LAST, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        named = order.cursor(SimpleNamespace(created_at=moment, order_id="ORD-0"))
        for path in cursors:
            works(far_seller.http.get(path, params={"cursor": named}), 200, 400)


@pytest.mark.parametrize("moment", [FIRST, LAST], ids=["year 1", "year 9999"])
@pytest.mark.nightly
def test_rows_of_extreme_times_are_shown_everywhere(
    far_shop: Shop, far_seller: Seller, admin: Visitor, moment: str
) -> None:
    """As a version before wrote them, or another hand: past what is accepted today."""
    made = far_seller.generate(2).json()
    code = made["tickets"][0]["ticket_code"]
    order_id = works(far_seller.activate(code)).json()["order_id"]
    gate = gate_of(far_shop, None)
    works(gate.http.get("/api/gate/snapshot"))
    far_seller.hold(1)
    with psycopg.connect(far_shop.dsn) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for change in EXTREME.split(";"):
            connection.execute(change.encode(), {"at": moment, "partner_id": far_seller.partner_id})

    everything_about(far_shop, far_seller, admin, made["batch_id"], code, order_id)
    for looked_at in (gate.inspect(ticket_code=code), gate.redeem(ticket_code=code, phone_last4="7890")):
        works(looked_at, 200, 400, 409)
    works(gate.http.get("/api/gate/snapshot"))
    answer = far_seller.http.post(f"/api/ota/tickets/{code}/activate", json=sale())
    works(answer, 409)
    for kind in EXPORTS:
        path = f"/console/batch/export?partner={far_seller.partner_id}&batch={made['batch_id']}"
        works(admin.sends(path, format=kind))
    early = rfc3339(datetime.now(UTC) - timedelta(days=1))
    works(admin.http.get(f"/console/audit?start={quote(early)}"))
