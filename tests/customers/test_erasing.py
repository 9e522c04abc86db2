"""An erased customer is nowhere in the database. Orders, amounts, tickets and retries stay as they were."""

import asyncio
from typing import Any

import pytest
from support.gate import gate_client
from support.operating import connected
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.customers import customer
from premade.customers.erase import Eraser

NAME, PHONE = "Zebediah Quillfeather", "+85291234567"


@pytest.fixture
def operator(dsn: str) -> Operator:
    return Operator(dsn)


def own_email() -> str:
    return f"{unique('zebediah')}@example.com"


def erase(shop: Shop, email: str) -> list[str]:
    return shop.operate(lambda database, runtime: Eraser(database, runtime).erase_email(email))


def tables_with(shop: Shop, *needles: str) -> dict[str, list[str]]:
    """The tables of which a row, as text, has one of these texts in any case: what a dump of the data would have."""
    found: dict[str, list[str]] = {}
    with connected(shop.dsn) as connection:
        tables = connection.execute(
            "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r'"
            " AND c.relnamespace = 'public'::regnamespace"
        ).fetchall()
        for table in tables:
            rows = connection.execute(
                f"SELECT t::text AS row FROM {table['name']} t WHERE t::text ILIKE ANY (%s)".encode(),
                [[f"%{needle}%" for needle in needles]],
            ).fetchall()
            if rows:
                found[table["name"]] = [row["row"] for row in rows]
    return found


def test_after_an_erasure_no_table_has_anything_of_the_customer(shop: Shop, seller: Seller) -> None:
    email = own_email()
    customer = {"name": NAME, "email": email, "phone": PHONE}
    batch = unique("BATCH")
    one, two, three, _ = seller.tickets(4, batch_id=batch)
    key = {"Idempotency-Key": f"{email}/1"}
    answers = [
        seller.activate(one, payment_reference=f"PAY {email.upper()}", headers=key, **customer),
        seller.activate(two, payment_reference="ZEBEDIAH_QUILLFEATHER-7", **customer),
        seller.order(
            [three], payment_reference=PHONE, headers={"Idempotency-Key": unique("order")}, **customer
        ),
        seller.draw(batch, 1, payment_reference="PAY-7", **customer),
    ]
    orders = [answer.json()["order_id"] for answer in answers]
    needles = (NAME, "quillfeather", email, PHONE.removeprefix("+"))
    assert {table.partition("orders")[0] for table in tables_with(shop, *needles)} == {"ota_"}

    assert sorted(erase(shop, email.upper())) == sorted(orders)

    assert tables_with(shop, *needles) == {}
    rows = shop.sql("SELECT * FROM ota_orders WHERE order_id = ANY (%s) ORDER BY order_id", orders)
    assert {str(row["total_amount"]) for row in rows} == {"288.00"}
    assert [row["payment_reference"] for row in rows] == ["erased"] * 3 + ["PAY-7"]
    assert {bytes(row["request_digest"]) for row in rows} == {b""}
    events = shop.sql("SELECT * FROM audit_events WHERE order_id = ANY (%s)", orders)
    assert sum(event["event"] == "ticket.customer_erased" for event in events) == 4
    assert erase(shop, email) == []


def replays(seller: Seller, email: str, **more: Any) -> dict[str, Any]:
    """Requests with a key, by operation; each call sends the same request again."""
    batch = unique("BATCH")
    one, two, _ = seller.tickets(3, batch_id=batch)
    key = {"Idempotency-Key": more.pop("key", unique("key"))}
    customer = {"name": NAME, "email": email, "phone": PHONE, **more}
    return {
        "activate": lambda **other: seller.activate(one, headers=key, **{**customer, **other}),
        "order": lambda **other: seller.order([two], headers=key, **{**customer, **other}),
        "draw": lambda **other: seller.draw(batch, 1, headers=key, **{**customer, **other}),
    }


@pytest.mark.parametrize("operation", ["activate", "order", "draw"])
@pytest.mark.parametrize("holder", ["nothing", "key and reference"])
def test_a_retry_gets_the_same_order_without_the_customer(
    shop: Shop, seller: Seller, operation: str, holder: str
) -> None:
    """The Idempotency-Key and the payment reference have the address, or nothing has."""
    email = own_email()
    names_customer = holder != "nothing"
    private = {"key": f"{email}/7", "payment_reference": f"PAY-{email}"} if names_customer else {}
    send = replays(seller, email, **private)[operation]
    first = send()
    assert first.is_success, first.text
    assert "customer_erased_at" not in first.json()
    erase(shop, email)

    again = send()

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (first.status_code, "true")
    erased_at = again.json()["customer_erased_at"]
    assert erased_at is not None
    assert again.json() == {
        **first.json(),
        "customer_name": "Erased customer",
        "customer_erased_at": erased_at,
        **({"payment_reference": "erased"} if names_customer else {}),
    }
    if not names_customer:
        # A retry cannot be compared by its customer any more, only by its tickets and its payment.
        assert send(email="somebody.else@example.com").is_success


@pytest.mark.parametrize("operation", ["activate", "order", "draw"])
def test_another_request_with_the_key_of_an_erased_order_is_refused(
    shop: Shop, seller: Seller, operation: str
) -> None:
    email = own_email()
    send = replays(seller, email)[operation]
    assert send().is_success
    erase(shop, email)

    other = send(payment_reference="ANOTHER")

    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED"), other.text


def test_lists_say_that_the_customer_is_erased(shop: Shop, seller: Seller) -> None:
    email = own_email()
    [code] = seller.tickets()
    order_id = seller.activate(code, email=email).json()["order_id"]
    before = seller.http.get(f"/api/ota/orders/{order_id}").json()
    erase(shop, email)

    after = seller.http.get(f"/api/ota/orders/{order_id}").json()

    assert before["customer_erased_at"] is None
    assert after == {
        **before,
        "customer_name": "Erased customer",
        "customer_email": "erased@customer.invalid",
        "customer_phone": "+0",
        "customer_erased_at": after["customer_erased_at"],
    }
    assert after["customer_erased_at"] is not None
    assert seller.http.get("/api/ota/orders").json()["items"] == [after]


@pytest.mark.parametrize("digits", ["0000", "00000000"])
def test_the_ticket_of_an_erased_customer_is_admitted_by_its_qr_only(
    shop: Shop, seller: Seller, digits: str
) -> None:
    email = own_email()
    [ticket] = seller.generate().json()["tickets"]
    seller.activate(ticket["ticket_code"], email=email)
    erase(shop, email)
    gate = shop.client(shop.key(seller.name, ["gate:redeem", "gate:manual-entry"]).key)
    scan = {"function_code": "ferry", "device_id": "GATE-1", "scan_id": unique("scan")}

    typed = gate.post(
        "/api/gate/redemptions",
        json={**scan, "ticket_code": ticket["ticket_code"], "phone_last4": digits},
    )
    inspected = gate.post("/api/gate/inspect", json={"qr": ticket["qr_token"], "device_id": "GATE-1"})
    assert inspected.is_success, inspected.text
    scanned = gate.post("/api/gate/redemptions", json={**scan, "qr": ticket["qr_token"]})

    assert (typed.status_code, typed.json()["code"]) == (404, "DIGITS_WRONG")
    assert inspected.json()["customer_initials"] is None
    assert scanned.status_code == 200


def test_an_erasure_finds_the_address_as_the_search_does(shop: Shop, seller: Seller) -> None:
    local = unique("jos\u00e9")
    [code] = seller.tickets()
    seller.activate(code, email=f"{local}@b\u00fccher.example.com")
    decomposed = local.replace("\u00e9", "e\u0301").upper()

    assert len(erase(shop, f"Jos\u00e9 <{decomposed}@xn--bcher-kva.EXAMPLE.com>")) == 1


def test_sales_to_the_customer_go_on_while_they_are_erased(shop: Shop, seller: Seller) -> None:
    """Whatever is sold before the last erasure is erased, and no sale is lost or refused."""
    email = own_email()
    codes = seller.tickets(24)

    async def race() -> list[Any]:
        async def sell(code: str) -> Any:
            return await asyncio.to_thread(seller.activate, code, email=email)

        async def erase_twice() -> None:
            for _ in range(2):
                await asyncio.to_thread(erase, shop, email)

        answers = await asyncio.gather(*map(sell, codes), erase_twice(), erase_twice())
        return answers[: len(codes)]

    answers = asyncio.run(race())
    erase(shop, email)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["order_id"] for answer in answers}) == len(codes)
    assert tables_with(shop, email) == {}
    events = shop.sql(
        "SELECT order_id FROM audit_events WHERE event = 'ticket.customer_erased' AND partner_id = %s",
        seller.partner_id,
    )
    assert sorted(row["order_id"] for row in events) == sorted(
        answer.json()["order_id"] for answer in answers
    )


@pytest.mark.nightly
def test_erasures_are_repeated_after_a_restore(
    shop: Shop, seller: Seller, operator: Operator, tmp_path: Any
) -> None:
    email = own_email()
    [code] = seller.tickets()
    order_id = seller.activate(code, email=email).json()["order_id"]
    [before] = shop.sql("SELECT * FROM ota_orders WHERE order_id = %s", order_id)
    assert operator.does("customer", "erase", "--email", email, "--yes") == {
        "erased": 1,
        "orders": [order_id],
    }
    ids = operator.shows("customer", "erased", "--since", "2025-01-01")
    assert order_id in ids.split()
    # As a backup from before the erasure has it.
    shop.sql(
        "UPDATE ota_orders SET customer_name = %s, customer_email = %s, customer_phone = %s, customer_erased_at = NULL"
        " WHERE order_id = %s",
        before["customer_name"], before["customer_email"], before["customer_phone"], order_id,
    )  # fmt: skip
    (tmp_path / "ids").write_text(ids)

    again = operator.does("customer", "erase", "--orders", str(tmp_path / "ids"), "--yes")

    assert again["orders"] == [order_id]
    assert tables_with(shop, email) == {}


def test_an_export_reads_its_orders_in_portions(
    shop: Shop, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer, "ORDERS_A_TRANSACTION_MAX", 2)
    email = own_email()
    codes = seller.tickets(5)
    order_ids = [seller.activate(code, email=email).json()["order_id"] for code in codes]

    exported = shop.operate(lambda database, runtime: customer.Customers(database, runtime).export(email))

    assert [each.order.order_id for each in exported.orders] == order_ids
    assert [ticket.ticket.ticket_code for each in exported.orders for ticket in each.tickets] == codes


@pytest.mark.parametrize("text", ["a\0b@example.com", "mailto:a%00b@example.com", "nobody"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        customer.checked_email(text)


def test_the_command_finds_exports_and_asks_before_it_erases(
    shop: Shop, seller: Seller, operator: Operator, tmp_path: Any
) -> None:
    email = own_email()
    [ticket] = seller.generate().json()["tickets"]
    order_id = seller.activate(ticket["ticket_code"], email=email, name=NAME).json()["order_id"]
    gate_client(shop, seller.name).post(
        "/api/gate/redemptions",
        json={
            "qr": ticket["qr_token"],
            "function_code": "gift",
            "device_id": "GATE-1",
            "scan_id": unique("scan"),
        },
    )

    [found] = operator.does("customer", "find", "--email", email.upper())
    exported = operator.does("customer", "export", "--email", email)
    written = operator.does("customer", "export", "--email", email, "-o", str(tmp_path / "export.json"))

    assert (found["order_id"], found["customer_name"]) == (order_id, NAME)
    [order] = exported["orders"]
    assert order["order"]["customer_email"] == email
    [of_ticket] = order["tickets"]
    assert of_ticket["ticket"]["ticket_code"] == ticket["ticket_code"]
    assert [(use["function_code"], use["device_id"]) for use in of_ticket["uses"]] == [("gift", "GATE-1")]
    assert written == {"file": str(tmp_path / "export.json"), "orders": 1, "is_complete": True}
    assert (tmp_path / "export.json").stat().st_mode & 0o777 == 0o600
    assert "Add --yes" in operator.is_refused("customer", "erase", "--email", email)
    assert "e-mail address" in operator.is_refused("customer", "erase", "--email", "nobody", "--yes")
    assert "not both" in operator.is_refused("customer", "erase", "--yes")
    refused = operator.run("customer", "erase", "--email", email, typed="n\n")
    assert (refused.returncode, "cannot be undone" in refused.stdout + refused.stderr) == (1, True)
    assert len(tables_with(shop, email)) == 1
    events = shop.sql(
        "SELECT event, actor FROM audit_events WHERE order_id = %s AND event LIKE 'ticket.customer%%'",
        order_id,
    )
    assert sorted(row["event"] for row in events) == ["ticket.customer_exported"] * 2 + [
        "ticket.customer_viewed"
    ]
    assert {row["actor"].partition(":")[0] for row in events} == {"command"}
