"""Two spellings of one text are one: in a retry, in a search, in a partner's name."""

import psycopg
import pytest
from support.shop import CUSTOMER, Seller, Shop, sale, unique

from premade.console.tickets.search import (
    Like,
    SearchedOrder,
    SearchedSales,
    SearchedTicket,
    orders_like,
    read_search,
)
from premade.devices.device_id import name_of_device_or_scan
from premade.partners.partner import PartnerNameTaken, add_partner, rename_partner
from premade.partners.partner_sql import PartnerRow
from premade.runtime.errors import Invalid
from premade.values.digest import request_digest

NFC, NFD = "Jos\u00e9 N\u00fa\u00f1ez", "Jose\u0301 Nu\u0301n\u0303ez"


def key() -> dict[str, str]:
    return {"Idempotency-Key": unique("same")}


@pytest.mark.parametrize(
    "again",
    [{"name": NFD}, {"name": f"  {NFC}\u3000"}, {"name": f"\ufeff{NFC}"}, {"phone": "+1 (234) 567-890"},
     {"email": " John.Smith@EXAMPLE.com"}, {"payment_reference": " PAY-1\t"}],
)  # fmt: skip
def test_another_spelling_of_the_same_sale_is_a_replay(seller: Seller, again: dict[str, str]) -> None:
    first = {
        "name": NFC,
        "phone": "+1234567890",
        "email": "John.Smith@example.com",
        "payment_reference": "PAY-1",
    }
    alone, *several = seller.tickets(3)
    batch = unique("BATCH")
    seller.tickets(2, batch_id=batch)
    for path, body in (
        (f"/api/ota/tickets/{alone}/activate", {}),
        ("/api/ota/orders", {"ticket_codes": several}),
        (f"/api/ota/batches/{batch}/activate", {"quantity": 2}),
    ):
        headers = key()
        done = seller.http.post(path, json=sale(**first) | body, headers=headers)
        replay = seller.http.post(path, json=sale(**{**first, **again}) | body, headers=headers)

        assert (done.status_code, replay.status_code) == (200, 200), replay.text
        assert replay.headers["Idempotency-Replayed"] == "true"
        assert replay.json() == done.json()
        assert done.json()["customer_name"] == NFC


def test_a_sale_of_before_texts_were_composed_is_still_replayed(seller: Seller, shop: Shop) -> None:
    """Its digest is of what was sent, and the order holds that."""
    alone, *several = seller.tickets(3)
    old = {
        "name": f" {NFD}",
        "email": CUSTOMER["email"],
        "phone": "+440207946001",
        "payment_reference": " PAY",
    }
    batch = unique("BATCH")
    drawn = seller.tickets(2, batch_id=batch)
    for path, body, tickets, codes in (
        (f"/api/ota/tickets/{alone}/activate", {}, [alone], [alone]),
        ("/api/ota/orders", {"ticket_codes": several}, sorted(several), several),
        (f"/api/ota/batches/{batch}/activate", {"quantity": 2}, [batch, 2], drawn),
    ):
        headers = key()
        done = seller.http.post(path, json=sale(**old) | body, headers=headers).json()
        shop.sql(
            "UPDATE ota_orders SET customer_name = %s, customer_phone = %s, payment_reference = %s, request_digest = %s "
            "WHERE order_id = %s",
            *(old["name"], old["phone"], old["payment_reference"]),
            request_digest(*tickets, old["name"], old["email"], old["phone"], old["payment_reference"]),
            done["order_id"],
        )
        replay = seller.http.post(path, json=sale(**old) | body, headers=headers)
        other = seller.http.post(path, json=sale(**{**old, "name": "Other"}) | body, headers=headers)

        assert replay.headers["Idempotency-Replayed"] == "true"
        assert replay.json()["order_id"] == done["order_id"]
        assert other.status_code == 422
        assert codes


def test_metadata_is_kept_as_it_was_sent_and_compared_composed(seller: Seller, shop: Shop) -> None:
    headers, batch = key(), unique("BATCH")
    made = seller.generate(batch_id=batch, metadata={"name": NFD}, headers=headers)
    again = seller.generate(batch_id=batch, metadata={"name": NFC}, headers=headers)
    digest = request_digest(seller.product_id, 1, batch, None, {"name": NFD})
    shop.sql("UPDATE batches SET request_digest = %s WHERE batch_id = %s", digest, batch)
    of_before = seller.generate(batch_id=batch, metadata={"name": NFD}, headers=headers)

    assert made.json()["metadata"] == {"name": NFD}
    assert again.json() == of_before.json() == made.json()
    assert seller.generate(batch_id=batch, metadata={"name": "Ann"}, headers=headers).status_code == 422


@pytest.mark.parametrize("what", ["cancel", "reissue"])
def test_another_spelling_of_the_same_reason_is_a_replay(seller: Seller, shop: Shop, what: str) -> None:
    [code], headers = seller.tickets(), key()
    path = f"/api/ota/tickets/{code}/{what}"
    if what == "reissue":
        seller.activate(code)
    done = seller.http.post(path, json={"reason": NFC}, headers=headers)
    again = seller.http.post(path, json={"reason": f" {NFD}\n"}, headers=headers)

    assert (done.status_code, again.json()) == (200, done.json())


@pytest.mark.parametrize("what", ["cancel", "reissue", "cancel a batch"])
def test_a_reason_of_before_texts_were_composed_is_still_replayed(
    seller: Seller, shop: Shop, what: str
) -> None:
    """The digest is of the text that was sent, and the events have that text."""
    batch, headers, old = unique("BATCH"), key(), f" {NFD}"
    [code] = seller.tickets(batch_id=batch)
    subject = batch if what == "cancel a batch" else code
    path = f"/api/ota/batches/{batch}/cancel" if subject == batch else f"/api/ota/tickets/{code}/{what}"
    done = seller.http.post(path, json={"reason": old}, headers=headers)
    with psycopg.connect(shop.dsn) as connection:
        # The trigger keeps the record from being changed.
        connection.execute("SET LOCAL session_replication_role = replica")
        receipts = connection.execute(
            "UPDATE audit_events SET data = jsonb_set(data, '{reason}', to_jsonb(%s::text)), request_digest = %s"
            " WHERE partner_id = %s AND idempotency_key = %s",
            (old, request_digest(subject, old), seller.partner_id, headers["Idempotency-Key"]),
        ).rowcount
    events = shop.sql("SELECT FROM audit_events WHERE partner_id = %s", seller.partner_id)

    again, composed = (
        seller.http.post(path, json={"reason": reason}, headers=headers) for reason in (old, NFC)
    )
    other = seller.http.post(path, json={"reason": "Other"}, headers=headers)

    assert receipts == (2 if subject == batch else 1)
    for replay in (again, composed):
        assert replay.headers["Idempotency-Replayed"] == "true"
        assert replay.json() == done.json() | {"reason": old}
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(shop.sql("SELECT FROM audit_events WHERE partner_id = %s", seller.partner_id)) == len(events)


@pytest.mark.parametrize("reference", ["PAY 7", " PAY 7\t", "PAY\u00a07", "\u200bPAY 7"])
def test_a_payment_reference_is_found_as_it_is_kept(seller: Seller, shop: Shop, reference: str) -> None:
    [code] = seller.tickets()
    sold = seller.activate(code, payment_reference="  PAY 7 ").json()

    assert sold["payment_reference"] == "PAY 7"
    orders = seller.http.get("/api/ota/orders", params={"payment_reference": reference}).json()["items"]
    tickets = seller.http.get("/api/ota/tickets", params={"payment_reference": reference}).json()["items"]
    assert [order["order_id"] for order in orders] == [sold["order_id"]]
    assert [ticket["ticket_code"] for ticket in tickets] == [code]
    readings = read_search(reference)
    assert isinstance(readings, SearchedSales)
    in_console = shop.operate(lambda database, _: orders_like(database, *readings.readings[-1]))[0]
    assert sold["order_id"] in [order.order_id for order in in_console]


def test_a_device_may_be_named_by_dots_since_no_address_has_its_name() -> None:
    assert [name_of_device_or_scan(name) for name in (".", "..")] == [".", ".."]


@pytest.mark.parametrize(("batch_id", "why"), [
    (".", "dots only"), ("..", "dots only"), ("...", "dots only"), ("A/B", "Must be 1 to 64"),
    ("B\u200b", "character 2 is ZERO WIDTH SPACE (U+200B)"),
])  # fmt: skip
def test_an_id_that_cannot_be_part_of_an_address_is_refused(seller: Seller, batch_id: str, why: str) -> None:
    refused = seller.generate(batch_id=batch_id)

    assert refused.status_code == 400
    assert why in refused.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("day", "why"),
    [("2026-02-29", "There is no 29 February 2026"), ("2026-13-01", "There is no month 13; months are 01 to 12"),
     ("2026-04-31", "There is no 31 April 2026"), ("29.02.2026", "Must be a day as YYYY-MM-DD, such as 2026-03-31")],
)  # fmt: skip
def test_a_day_that_the_calendar_does_not_have_is_named(seller: Seller, day: str, why: str) -> None:
    refused = seller.generate(valid_until=day)

    assert [error["detail"] for error in refused.json()["errors"]] == [why]


def test_a_time_on_a_day_that_is_none_is_named(seller: Seller) -> None:
    refused = seller.reserve(expires_at="2026-02-29T12:00:00Z")

    assert refused.json()["errors"] == [{"pointer": "#/expires_at", "detail": "There is no 29 February 2026"}]


def test_partners_whose_names_people_would_mistake_for_each_other_are_refused(shop: Shop) -> None:
    name = unique("Caf\u00e9 Tours")

    def add(new: str) -> PartnerRow:
        return shop.operate(lambda database, runtime: add_partner(database, runtime, new))

    assert add(f" {name}\u3000").name == name
    for other in (name, name.upper(), name.replace(" ", ""), name.replace(" ", "\u00a0"), name.replace("\u00e9", "e\u0301"),
                  name.replace("C", "\uff23"), name.replace("T", "\u200bT")):  # fmt: skip
        with pytest.raises(PartnerNameTaken, match=f"'{name}'"):
            add(other)
    with pytest.raises(Invalid, match=r"RIGHT-TO-LEFT OVERRIDE \(U\+202E\), its character 1"):
        add(f"\u202e{name}")
    assert add(f"{name}\u3000\u65c5\u884c").name == f"{name}\u3000\u65c5\u884c"
    renamed = shop.operate(
        lambda database, runtime: rename_partner(database, runtime, name.lower(), name.upper())
    )
    assert renamed.name == name.upper()
    with pytest.raises(PartnerNameTaken):
        shop.operate(
            lambda database, runtime: rename_partner(database, runtime, name, f"{name}\u3000\u65c5\u884c")
        )


CODE, ORDER = "CRUISE-2025-FERRY-1762274285982", "ORD-1762274304824"


@pytest.mark.parametrize(
    "typed",
    [CODE, CODE.lower(), f" {CODE}\n", CODE.replace("-", ""), "CRUISE-2025-FERRY-\n1762274285982",
     "cruise 2025 ferry 1762274285982", CODE.replace("-", "\u2011"), CODE.replace("FERRY-", "FERRY")],
)  # fmt: skip
def test_a_code_is_read_as_it_is_copied(typed: str) -> None:
    assert read_search(typed) == SearchedTicket(CODE)


@pytest.mark.parametrize("typed", [ORDER, ORDER.lower(), "ORD 1762274304824", f"\u202a{ORDER}\u202c"])
def test_an_order_id_is_read_as_it_is_copied(typed: str) -> None:
    assert read_search(typed) == SearchedOrder(ORDER)


@pytest.mark.parametrize(
    ("typed", "like", "value"),
    [
        ("john@example.com", Like.EMAIL, "john@example.com"),
        (" mailto:john@EXAMPLE.com?subject=Hi", Like.EMAIL, "john@example.com"),
        ("mailto:jos%C3%A9@example.com", Like.EMAIL, "jos\u00e9@example.com"),
        ("John Smith <john@example.com>", Like.EMAIL, "john@example.com"),
        ("jose\u0301@example.com", Like.EMAIL, "jos\u00e9@example.com"),
        ("john@xn--fsqu00a.xn--4rr70v", Like.EMAIL, "john@\u4f8b\u5b50.\u5e7f\u544a"),
        ("+44 (0)20 7946 0018", Like.PHONE, "+442079460018"),
        ("0044 20 7946 0018", Like.PHONE, "+442079460018"),
        ("tel:+44-20-7946-0018", Like.PHONE, "+442079460018"),
        ("020 7946 0018", Like.PHONE, "2079460018"),
        ("7946 0018", Like.PHONE, "79460018"),
        ("8 (495) 123-45-67", Like.PHONE, "4951234567"),
        (" PAY 7\u200b", Like.PAYMENT, "PAY 7"),
    ],
)
def test_what_sales_have_in_common_is_read_in_every_spelling(typed: str, like: Like, value: str) -> None:
    searched = read_search(typed)

    assert isinstance(searched, SearchedSales)
    assert (like, value) in searched.readings
