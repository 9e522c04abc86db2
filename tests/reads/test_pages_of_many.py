"""Pages of tables that are large, and that others write to meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from support.shop import Seller, Shop, unique

from premade.batches.lookup import sql as batches
from premade.http.pagination import PAGE_ROWS_MAX
from premade.orders.lookup import sql as orders
from premade.postgres.keyset import ROWS_READ_MAX
from premade.postgres.pool import SESSION_SETTINGS
from premade.postgres.statements import Statement
from premade.tickets.listing import sql as listing

MORE = """
INSERT INTO pre_generated_tickets (
    ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at
)
SELECT 'CRUISE-2025-FERRY-' || lpad((t.partner_id * 1000000 + n)::text, 13, '0'), t.partner_id, t.product_id, t.batch_id,
       t.qr_code, t.entitlements, t.price, t.currency, t.created_at + n * interval '1 ms'
FROM pre_generated_tickets t, generate_series(1, %s) AS n WHERE t.ticket_code = %s
"""
MORE_ORDERS = """
INSERT INTO ota_orders (
    order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, total_amount, currency,
    operation, request_digest, created_at, ticket_codes
)
SELECT 'ORD-' || lpad((o.partner_id * 1000000 + n)::text, 13, '0'), o.partner_id, o.customer_name, o.customer_email,
       o.customer_phone, o.payment_reference, o.total_amount, o.currency, o.operation, o.request_digest, o.created_at,
       o.ticket_codes
FROM ota_orders o, generate_series(1, %s) AS n WHERE o.order_id = %s
"""


@pytest.fixture
def big(seller: Seller, shop: Shop) -> tuple[Seller, str]:
    """A partner whose only sold ticket is older than ROWS_READ_MAX others; and its code."""
    [sold] = seller.tickets(1)
    shop.sql(MORE, ROWS_READ_MAX + 50, sold)
    seller.activate(sold)
    return seller, sold


def test_a_page_ends_after_so_many_rows_and_the_next_goes_on(big: tuple[Seller, str]) -> None:
    seller, sold = big

    first = seller.http.get("/api/ota/tickets?status=ACTIVE").json()
    second = seller.http.get("/api/ota/tickets", params={"status": "ACTIVE", "cursor": first["next"]}).json()

    assert first["items"] == []
    assert first["next"] is not None
    assert [ticket["ticket_code"] for ticket in second["items"]] == [sold]
    assert second["next"] is None


def test_the_last_row_that_a_page_looks_at_is_not_lost(big: tuple[Seller, str], shop: Shop) -> None:
    seller, sold = big
    last = ROWS_READ_MAX - 1
    rows = shop.sql(
        "SELECT ticket_code FROM pre_generated_tickets WHERE partner_id = %s "
        "ORDER BY created_at DESC, ticket_id DESC OFFSET %s LIMIT 2",
        seller.partner_id,
        last,
    )
    edge = [row["ticket_code"] for row in rows]
    for code in edge:
        assert seller.activate(code).status_code == 200

    first = seller.http.get("/api/ota/tickets?status=ACTIVE&limit=1").json()
    second = seller.http.get("/api/ota/tickets", params={"status": "ACTIVE", "cursor": first["next"]}).json()

    assert [ticket["ticket_code"] for ticket in first["items"]] == edge[:1]
    assert [ticket["ticket_code"] for ticket in second["items"]] == [edge[1], sold]


def test_a_payment_reference_of_very_many_orders_is_read_in_bounds(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets(1)
    sale = seller.activate(code, payment_reference="SAME").json()
    shop.sql(MORE_ORDERS, ROWS_READ_MAX + 50, sale["order_id"])
    asked = {"payment_reference": "SAME", "created_before": "2020-01-01T00:00:00Z"}

    for path in ("orders", "tickets"):
        first = seller.http.get(f"/api/ota/{path}", params=asked).json()
        second = seller.http.get(f"/api/ota/{path}", params={**asked, "cursor": first["next"]}).json()
        assert (first["items"], second) == ([], {"items": [], "next": None}), path
        assert first["next"] is not None


def test_a_page_of_batches_ends_where_they_have_so_many_tickets(seller: Seller, shop: Shop) -> None:
    for _ in range(3):
        seller.tickets(1)
    shop.sql("UPDATE batches SET quantity = %s WHERE partner_id = %s", ROWS_READ_MAX, seller.partner_id)

    sizes: list[int] = []
    cursor = None
    while True:
        page = seller.http.get("/api/ota/batches", params={"cursor": cursor} if cursor else {}).json()
        sizes.append(len(page["items"]))
        assert all(batch["tickets"]["pre_generated"] == 1 for batch in page["items"])
        cursor = page["next"]
        if cursor is None:
            break
    assert sizes == [1, 1, 1]


LISTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "tickets": lambda item: item["ticket_code"],
    "batches": lambda item: item["batch_id"],
    "orders": lambda item: item["order_id"],
}


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("path", LISTS)
def test_pages_are_whole_and_never_repeat_while_others_write(seller: Seller, path: str) -> None:
    name_of = LISTS[path]
    for code in [*seller.tickets(20), *seller.tickets(20)]:
        seller.activate(code)
    before = {name_of(item) for item in seller.http.get(f"/api/ota/{path}?limit=1000").json()["items"]}
    stop = threading.Event()

    def write() -> int:
        written = 0
        while not stop.is_set():
            for code in seller.tickets(2):
                seller.activate(code)
            written += 1
        return written

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write) for _ in range(3)]
        try:
            for _ in range(5):
                seen: list[str] = []
                url: str | None = f"/api/ota/{path}?limit=3"
                while url is not None:
                    answer = seller.http.get(url)
                    seen += [name_of(item) for item in answer.json()["items"]]
                    url = answer.links.get("next", {}).get("url")
                assert len(seen) == len(set(seen))
                assert before <= set(seen)
        finally:
            stop.set()
        assert all(writer.result() > 0 for writer in writers)


def rows_read(connection: psycopg.Connection, statement: Statement, **given: Any) -> tuple[int, set[str]]:
    """How many rows the fullest node of the plan yields, and which indexes it goes by, as the service runs it."""
    cursor = psycopg.RawCursor(connection)
    explained = b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement.text
    [[told]] = cursor.execute(explained, statement.arguments(given)).fetchall()
    found: list[dict[str, Any]] = []

    def note(node: dict[str, Any]) -> None:
        found.append(node)
        for part in node.get("Plans", []):
            note(part)

    note(told[0]["Plan"])
    for node in found:
        kind = node["Node Type"]
        assert kind != "Seq Scan", statement.name
        assert kind != "Sort" or node["Actual Rows"] <= PAGE_ROWS_MAX + 1, statement.name
    removed = sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in found)
    rows = max(node["Actual Rows"] * node["Actual Loops"] for node in found)
    return int(rows + removed), {node["Index Name"] for node in found if "Index Name" in node}


@pytest.fixture
def grown(dsn: str, seller: Seller, shop: Shop) -> dict[str, Any]:
    """A partner with 100,000 tickets and orders and 2,000 batches, analysed; answers what every list is asked."""
    [code] = seller.tickets(1)
    order_id = seller.activate(code).json()["order_id"]
    [unsold] = seller.tickets(1, batch_id="SOURCE")
    shop.sql(MORE_ORDERS, 100_000, order_id)
    shop.sql(
        "INSERT INTO batches (partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency, "
        "signing_key_id, request_digest, created_at) "
        "SELECT partner_id, 'B' || n, product_id, channel, 1, entitlements, price, currency, signing_key_id, "
        "request_digest, created_at - n * interval '1 second' FROM batches, generate_series(1, 2000) AS n "
        "WHERE partner_id = %s AND batch_id = 'SOURCE'",
        seller.partner_id,
    )
    # Fifty for each batch, as statistics of real tables have it.
    shop.sql(MORE.replace("t.batch_id,", "'B' || 1 + mod(n, 2000),"), 100_000, unsold)
    shop.sql("ANALYZE pre_generated_tickets, ota_orders, batches")
    filters = "status product_id batch_id activated_from activated_before created_from created_before"
    keys = "created_at ticket_id order_id batch_id paid_by ticket_code"
    nothing = dict.fromkeys([*filters.split(), *(f"after_{key}" for key in keys.split())])
    bounds = {"rows_read_max": ROWS_READ_MAX, "rows": 101, "oldest_id": "ORD-"}
    return {
        **nothing,
        **bounds,
        "partner_id": seller.partner_id,
        "payment_reference": "PAY-OTA-2025-001",
    }


@pytest.mark.nightly
def test_a_page_reads_what_it_answers_however_far_on_it_is(
    dsn: str, grown: dict[str, Any], shop: Shop
) -> None:
    [middle] = shop.sql(
        "SELECT created_at, ticket_id FROM pre_generated_tickets WHERE partner_id = %s "
        "ORDER BY created_at, ticket_id OFFSET 50000 LIMIT 1",
        grown["partner_id"],
    )
    deep = {f"after_{name}": value for name, value in middle.items()}
    deep_order = f"ORD-{grown['partner_id'] * 1_000_000 + 50_000:013d}"
    asked: list[tuple[Statement, dict[str, Any], str]] = [
        (listing.tickets_by_time, {}, "tickets_by_time"),
        (listing.tickets_by_time, deep, "tickets_by_time"),
        (orders.orders_by_id, {}, "ota_orders_by_partner"),
        (orders.orders_by_id, {"after_order_id": deep_order}, "ota_orders_by_partner"),
        (orders.orders_of_payment, {}, "ota_orders_by_payment"),
        (orders.orders_of_payment, {"after_order_id": deep_order}, "ota_orders_by_payment"),
        (batches.batches_by_time, {}, "batches_by_partner"),
    ]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SESSION_SETTINGS)
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}".encode())
            for statement, more, index in asked:
                rows, indexes = rows_read(connection, statement, **{**grown, **more})
                assert index in indexes, statement.name
                most = 101 * 50 if statement is batches.batches_by_time else 400
                assert rows <= most, (statement.name, mode, rows)


@pytest.mark.nightly
def test_a_filter_that_nothing_matches_reads_no_more_than_the_bound(dsn: str, grown: dict[str, Any]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SESSION_SETTINGS)
        for statement in (listing.tickets_by_time, orders.orders_by_id, orders.orders_of_payment):
            never = {"status": "USED", "created_before": None, "product_id": 1}
            if statement is not listing.tickets_by_time:
                never = {"created_before": "2000-01-01T00:00:00Z"}
            rows, _ = rows_read(connection, statement, **{**grown, **never})
            assert rows <= 2 * ROWS_READ_MAX + 200, (statement.name, rows)


BATCH_TICKETS = 60_000


@pytest.mark.nightly
@pytest.mark.parametrize("is_analysed", [False, True], ids=["young", "analysed"])
def test_a_page_of_a_batch_costs_the_same_however_large_the_batch_is(
    dsn: str,
    seller: Seller,
    shop: Shop,
    is_analysed: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    batch_id = unique("LARGE")
    [code] = seller.tickets(1, batch_id=batch_id)
    shop.sql(MORE, BATCH_TICKETS, code)
    if is_analysed:
        shop.sql("ANALYZE pre_generated_tickets")
    [middle] = shop.sql(
        "SELECT ticket_code FROM pre_generated_tickets WHERE batch_id = %s ORDER BY ticket_code OFFSET 30000 LIMIT 1",
        batch_id,
    )
    names = [
        "status",
        "product_id",
        "created_from",
        "created_before",
        "activated_from",
        "activated_before",
        "after_ticket_code",
    ]
    asked: dict[str, Any] = dict.fromkeys(names) | {
        "partner_id": seller.partner_id, "batch_id": batch_id, "rows_read_max": ROWS_READ_MAX, "rows": 101,
    }  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SESSION_SETTINGS)
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}".encode())
            for more, most in (
                ({}, 400),
                ({"after_ticket_code": middle["ticket_code"]}, 400),
                ({"status": "PRE_GENERATED"}, 400),
                ({"status": "USED"}, 2 * ROWS_READ_MAX + 200),
                ({"created_from": datetime.max.replace(tzinfo=UTC)}, 2 * ROWS_READ_MAX + 200),
            ):
                rows, indexes = rows_read(connection, listing.tickets_of_batch, **{**asked, **more})
                assert (indexes, rows <= most) == ({"tickets_by_batch"}, True), (more, mode, rows)


def test_the_pages_of_a_batch_have_each_ticket_once_the_newest_first(seller: Seller) -> None:
    batch_id = unique("BATCH")
    codes = seller.tickets(25, batch_id=batch_id)
    seller.tickets(1)
    listed: list[str] = []
    path = f"/api/ota/tickets?batch_id={batch_id}&limit=10"
    for pages in range(1, 10):
        answer = seller.http.get(path)
        listed += [ticket["ticket_code"] for ticket in answer.json()["items"]]
        if answer.json()["next"] is None:
            assert pages == 3
            break
        path = answer.links["next"]["url"]

    assert listed == codes[::-1]
