"""Lists in pages: each filter, whole and without repeats while others write, and only the partner's own."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.shop import Seller, Shop, unique
from support.taking_back import USED_UP


def walk(client: httpx.Client, path: str, **asked: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page, by its links."""
    items: list[dict[str, Any]] = []
    answer = client.get(path, params=asked)
    while True:
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["next"] is None:
            assert "link" not in answer.headers
            return items
        answer = client.get(answer.links["next"]["url"])


def codes_of(seller: Seller, **asked: Any) -> list[str]:
    return [ticket["ticket_code"] for ticket in walk(seller.http, "/api/ota/tickets", **asked)]


def test_tickets_come_newest_first_page_by_page(seller: Seller) -> None:
    made = seller.tickets(3) + seller.tickets(4)

    assert codes_of(seller, limit=2) == made[::-1]
    assert codes_of(seller) == made[::-1]


def test_a_listed_ticket_is_as_it_is_alone_but_for_picture_and_history(seller: Seller) -> None:
    [code] = seller.tickets(1)
    seller.activate(code)
    alone = seller.http.get(f"/api/ota/tickets/{code}").json()

    [listed] = seller.http.get("/api/ota/tickets").json()["items"]

    assert "qr_code" not in listed
    assert listed == {
        name: value for name, value in alone.items() if name not in ("qr_code", "history", "archived_before")
    }


def test_tickets_by_state_batch_and_product(seller: Seller, shop: Shop) -> None:
    batch = unique("BATCH")
    first, second = seller.tickets(2, batch_id=batch)
    other = shop.product(seller.channel, 10)
    third = seller.tickets(1, product_id=other)[0]
    seller.activate(first)
    seller.activate(third)

    assert codes_of(seller, status="ACTIVE") == [third, first]
    assert codes_of(seller, status="PRE_GENERATED") == [second]
    assert codes_of(seller, status="CANCELLED") == []
    assert codes_of(seller, batch_id=batch) == [second, first]
    assert codes_of(seller, batch_id=batch, limit=1) == [second, first]
    assert codes_of(seller, batch_id=batch, status="ACTIVE") == [first]
    assert codes_of(seller, batch_id="nobody-s") == []
    assert codes_of(seller, product_id=other) == [third]
    assert codes_of(seller, product_id=other, batch_id=batch) == []


def test_tickets_by_time_with_the_first_moment_and_without_the_last(seller: Seller, shop: Shop) -> None:
    old, new = seller.tickets(1)[0], seller.tickets(1)[0]
    seller.activate(new)
    [row] = shop.sql(
        'SELECT to_char(created_at, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') AS at FROM pre_generated_tickets '
        "WHERE ticket_code = %s",
        new,
    )
    [sale] = shop.sql("SELECT activated_at AS at FROM pre_generated_tickets WHERE ticket_code = %s", new)
    later = (sale["at"] + timedelta(milliseconds=1)).isoformat()

    assert codes_of(seller, created_from=row["at"]) == [new]
    assert codes_of(seller, created_before=row["at"]) == [old]
    assert codes_of(seller, activated_from=sale["at"].isoformat()) == [new]
    assert codes_of(seller, activated_from=later) == []
    assert codes_of(seller, activated_before=sale["at"].isoformat()) == []
    assert codes_of(seller, activated_before=later) == [new]
    assert codes_of(seller, created_from="2099-01-01T00:00:00+08:00") == []


def test_tickets_by_payment_reference_the_newest_sale_first(seller: Seller, shop: Shop) -> None:
    reference = unique("付款 №")
    made = seller.tickets(4)
    for code in (made[1], made[3], made[0]):
        seller.activate(code, payment_reference=reference)
    stranger = shop.seller()
    stranger.activate(stranger.tickets(1)[0], payment_reference=reference)

    assert codes_of(seller, payment_reference=reference) == [made[0], made[3], made[1]]
    assert codes_of(seller, payment_reference=reference, limit=1) == [made[0], made[3], made[1]]
    assert codes_of(seller, payment_reference=reference, status="PRE_GENERATED") == []
    assert codes_of(seller, payment_reference="another") == []


def test_an_order_of_several_tickets_is_split_between_pages(seller: Seller, shop: Shop) -> None:
    reference = unique("PAY")
    made = seller.tickets(5)
    for code in made[:2]:
        seller.activate(code, payment_reference=reference)
    shop.sql(
        "UPDATE ota_orders SET ticket_codes = %s WHERE partner_id = %s AND ticket_codes = %s",
        made[1:],
        seller.partner_id,
        [made[1]],
    )

    assert codes_of(seller, payment_reference=reference, limit=3) == [*made[1:], made[0]]


def test_orders_come_newest_first_and_by_payment_reference(seller: Seller, shop: Shop) -> None:
    reference = unique("PAY")
    made = seller.tickets(3)
    sold = [
        seller.activate(made[0]),
        *(seller.activate(code, payment_reference=reference) for code in made[1:]),
    ]
    ids = [sale.json()["order_id"] for sale in sold]
    stranger = shop.seller()
    stranger.activate(stranger.tickets(1)[0], payment_reference=reference)

    def listed(**asked: Any) -> list[str]:
        return [order["order_id"] for order in walk(seller.http, "/api/ota/orders", **asked)]

    assert listed(limit=1) == ids[::-1]
    assert listed(payment_reference=reference) == listed(payment_reference=reference, limit=1) == ids[:0:-1]
    [row] = shop.sql("SELECT created_at FROM ota_orders WHERE order_id = %s", ids[1])
    moment = row["created_at"].isoformat()
    assert listed(created_from=moment) == ids[:0:-1]
    assert listed(created_before=moment) == ids[:1]
    assert listed(payment_reference=reference, created_before=moment) == []
    assert listed(created_from=(datetime.now(UTC) + timedelta(days=2)).isoformat()) == []
    alone = seller.http.get(f"/api/ota/orders/{ids[0]}").json()
    assert walk(seller.http, "/api/ota/orders")[-1] == alone


def test_batches_come_newest_first_with_their_tickets_by_state(seller: Seller, shop: Shop) -> None:
    batches = [unique("BATCH") for _ in range(3)]
    codes = [seller.tickets(4, batch_id=batch, metadata={"campaign": "spring"}) for batch in batches][-1]
    seller.activate(codes[0])
    seller.activate(codes[1])
    shop.sql("UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", codes[2])
    shop.sql(f"UPDATE pre_generated_tickets SET {USED_UP} WHERE ticket_code = %s", codes[1])

    listed = walk(seller.http, "/api/ota/batches", limit=2)

    assert [batch["batch_id"] for batch in listed] == batches[::-1]
    counts = {"pre_generated": 1, "active": 1, "used": 1, "expired": 0, "cancelled": 1}
    assert listed[0]["tickets"] == counts
    assert listed[1]["tickets"]["pre_generated"] == listed[1]["quantity"] == 4
    assert listed[0] == seller.http.get(f"/api/ota/batches/{batches[-1]}").json()
    assert listed[0]["metadata"] == {"campaign": "spring"}
    since = listed[1]["created_at"]
    assert [b["batch_id"] for b in walk(seller.http, "/api/ota/batches", created_from=since)] == batches[
        :0:-1
    ]
    assert [b["batch_id"] for b in walk(seller.http, "/api/ota/batches", created_before=since)] == batches[:1]


def test_batches_of_one_moment_are_neither_repeated_nor_lost(seller: Seller, shop: Shop) -> None:
    batches = sorted(unique("BATCH") for _ in range(5))
    for batch in batches:
        seller.tickets(1, batch_id=batch)
    shop.sql("UPDATE batches SET created_at = '2026-01-01' WHERE partner_id = %s", seller.partner_id)

    assert [b["batch_id"] for b in walk(seller.http, "/api/ota/batches", limit=2)] == batches[::-1]


@pytest.mark.parametrize("batch_id", ["nobody-s", "a" * 65, "%00", "%ED%A0%80", "陳"])
def test_a_batch_that_there_is_not_is_unknown(seller: Seller, batch_id: str) -> None:
    answer = seller.http.get(f"/api/ota/batches/{batch_id}")

    assert (answer.status_code, answer.json()["code"]) == (404, "BATCH_UNKNOWN")


def test_another_partner_sees_none_of_it(seller: Seller, shop: Shop) -> None:
    batch = unique("BATCH")
    [code] = seller.tickets(1, batch_id=batch)
    order_id = seller.activate(code).json()["order_id"]
    stranger = shop.seller()

    for path in (
        "tickets",
        "orders",
        "batches",
        f"tickets?batch_id={batch}",
        "tickets?payment_reference=PAY-OTA-2025-001",
    ):
        assert stranger.http.get(f"/api/ota/{path}").json() == {"items": [], "next": None}, path
    for path in (
        f"tickets/{code}",
        f"tickets/{code}/qr.png",
        f"tickets/{code}/qr.svg",
        f"batches/{batch}",
        f"orders/{order_id}",
    ):
        answer = stranger.http.get(f"/api/ota/{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert seller.http.get(f"/api/ota/{path}").status_code == 200, path
    cursor = seller.http.get("/api/ota/tickets", params={"limit": 1}).json()["next"]
    assert cursor is None
    seller.tickets(1)
    cursor = seller.http.get("/api/ota/tickets", params={"limit": 1}).json()["next"]
    assert stranger.http.get("/api/ota/tickets", params={"cursor": cursor}).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("tickets", "tickets:read"),
        ("tickets/CRUISE-2025-FERRY-0000000000000", "tickets:read"),
        ("tickets/CRUISE-2025-FERRY-0000000000000/qr.png", "tickets:read"),
        ("tickets/CRUISE-2025-FERRY-0000000000000/qr.svg", "tickets:read"),
        ("batches", "tickets:read"),
        ("batches/B", "tickets:read"),
        ("orders", "orders:read"),
        ("inventory", "inventory:read"),
        ("products", "inventory:read"),
    ],
)
def test_each_read_needs_its_permission(seller: Seller, shop: Shop, path: str, permission: str) -> None:
    others = sorted({"tickets:read", "orders:read", "inventory:read"} - {permission})
    with_it, without = (shop.client(shop.key(seller.name, names).key) for names in ([permission], others))

    assert shop.client().get(f"/api/ota/{path}").status_code == 401
    assert without.get(f"/api/ota/{path}").status_code == 403
    assert with_it.get(f"/api/ota/{path}").status_code in (200, 404)


def test_only_orders_tell_whose_a_ticket_is(seller: Seller) -> None:
    batch = unique("BATCH")
    [code] = seller.tickets(1, batch_id=batch)
    seller.activate(code, name="Wing Chan", email="wing.chan@example.com", phone="+85223456789")
    personal = ("Wing", "wing.chan", "23456789")

    for path in ("tickets", f"tickets/{code}", "batches", f"batches/{batch}", "inventory", "products"):
        text = seller.http.get(f"/api/ota/{path}").text
        assert [word for word in personal if word in text] == [], path
    assert all(word in seller.http.get("/api/ota/orders").text for word in personal)


LISTS = ("tickets", "batches", "orders", "inventory", "products")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "+5", "5_0", "x", "", "1.5", str(2**70), "1%00"])
def test_a_limit_out_of_bounds_is_named(seller: Seller, path: str, limit: str) -> None:
    answer = seller.http.get(f"/api/ota/{path}?limit={limit}")

    assert answer.status_code == 400, answer.text
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == ["query#/limit"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%00",
        "%ED%A0%80",
        "陳",
        "bnVsbA",  # null
        "W10",  # []
        "eyJhIjoxfQ",  # {"a":1}
        "WyJ0aWNrZXRzIiwiMDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSIsMV0",  # before the first year
        "WyJ0aWNrZXRzIiwiMjAyNi0wMS0wMVQwMDowMDowMFoiLDk5OTk5OTk5OTk5OTk5OTk5OTk5OV0",  # too large an integer
        "WyJiYXRjaGVzIiwiMjAyNi0wMS0wMVQwMDowMDowMFoiLCJcdTAwMDAiXQ",  # U+0000
        "WyJvcmRlcnMiLCJcdTAwMDAiXQ",
        "x" * 1001,
    ],
)
def test_a_cursor_that_is_none_is_named(seller: Seller, path: str, cursor: str) -> None:
    answer = seller.http.get(f"/api/ota/{path}?cursor={cursor}")

    assert answer.status_code == 400, answer.text
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == ["query#/cursor"]


def test_a_cursor_has_one_spelling(seller: Seller) -> None:
    seller.tickets(2)
    cursor = seller.http.get("/api/ota/tickets?limit=1").json()["next"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    def status(text: str) -> int:
        return seller.http.get("/api/ota/tickets", params={"cursor": text}).status_code

    def encoded(spelt: bytes) -> str:
        return base64.urlsafe_b64encode(spelt).decode().rstrip("=")

    assert (status(cursor), encoded(raw)) == (200, cursor)
    for other in (
        raw.replace(b",", b", "),
        raw.replace(b"+00:00", b"Z"),
        raw.replace(b"tickets", b"\\u0074ickets"),
    ):
        assert other != raw
        assert status(encoded(other)) == 400, other
    assert status(f"{cursor}====") == 400


def test_a_cursor_of_one_list_is_none_of_another(seller: Seller) -> None:
    seller.tickets(2)
    cursor = seller.http.get("/api/ota/tickets?limit=1").json()["next"]

    for asked in ("batches?", "orders?", "tickets?payment_reference=x&"):
        assert seller.http.get(f"/api/ota/{asked}cursor={cursor}").status_code == 400, asked


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("tickets", "status=SOLD"),
        ("tickets", "batch_id=a/b"),
        ("tickets", "batch_id=%00"),
        ("tickets", "product_id=x"),
        ("tickets", f"product_id={2**63}"),
        ("tickets", "created_from=2026-01-01"),
        ("tickets", "created_before=1762274285"),
        ("tickets", "activated_from=2026-01-01T00:00:00"),
        ("tickets", "activated_before=2026-02-30T00:00:00Z"),
        ("tickets", "created_from=2026-01-01T00:00:00+08:00"),  # a '+' that was not escaped is a blank
        ("tickets", "created_from=0001-01-01T00:00:00%2B14:00"),
        ("tickets", "payment_reference="),
        ("tickets", "payment_reference=%00"),
        ("tickets", f"payment_reference={'x' * 129}"),
        ("orders", "payment_reference=a%0Ab"),
        ("orders", "created_from=9999-12-31T23:59:59-14:00"),
        ("batches", "created_from=today"),
    ],
)
def test_a_filter_that_cannot_be_is_named(seller: Seller, path: str, query: str) -> None:
    answer = seller.http.get(f"/api/ota/{path}?{query}")

    assert answer.status_code == 400, answer.text
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == [f"query#/{query.partition('=')[0]}"]


def test_every_wrong_parameter_is_named_with_the_cursor_last(seller: Seller) -> None:
    answer = seller.http.get("/api/ota/tickets?limit=0&status=SOLD&colour=red")

    assert {wrong["pointer"] for wrong in answer.json()["errors"]} == {
        "query#/limit",
        "query#/status",
        "query#/colour",
    }


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-01-01t00:00:00z"]
)
@pytest.mark.parametrize("path", ["tickets", "batches", "orders"])
def test_any_time_of_the_calendar_can_be_asked_for(seller: Seller, path: str, moment: str) -> None:
    for name in ("created_from", "created_before"):
        assert seller.http.get(f"/api/ota/{path}", params={name: moment}).status_code == 200
