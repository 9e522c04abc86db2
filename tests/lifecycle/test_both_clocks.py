"""What ends by time ends when two clocks say so: the service's and the database's. One that is wrong ends nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support.postgres import own_database
from support.shop import Shop, with_clock_of
from support.taking_back import caller_of

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.expiry.expire import Expirer
from premade.monitoring.rollup import GATE_COUNTS_KEPT, roll_up_once
from premade.partners.keyring import ApiKeyInvalid, Keyring
from premade.runtime.clock import Runtime
from premade.stock.hold import expire_holds

AHEAD = timedelta(hours=36)


def ahead() -> Runtime:
    return Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + AHEAD)


def states(shop: Shop, batch_id: str) -> set[str]:
    rows = shop.sql("SELECT DISTINCT status FROM pre_generated_tickets WHERE batch_id = %s", batch_id)
    return {row["status"] for row in rows}


def test_tickets_expire_when_both_clocks_are_past_their_day(shop: Shop) -> None:
    seller = shop.seller()
    today = datetime.now(UTC).date().isoformat()
    batch = seller.generate(3, valid_until=today).json()
    code = batch["tickets"][0]["ticket_code"]

    shop.operate(lambda database, _: Expirer(database, ahead()).pass_once())

    assert states(shop, batch["batch_id"]) == {"PRE_GENERATED"}
    asked = Activation(caller_of(seller), "r", code, "John Smith", "john@example.com", "+1234567890", "PAY")
    shop.operate(lambda database, _: Activator(database, ahead()).activate(asked))
    replace(shop, runtime=ahead()).operate(lambda database, runtime: Expirer(database, runtime).pass_once())
    assert states(shop, batch["batch_id"]) == {"ACTIVE", "EXPIRED"}


def test_a_hold_ends_when_both_clocks_are_past_its_end(shop: Shop) -> None:
    seller = shop.seller()
    made = seller.http.post(
        "/api/ota/reservations", json={"product_id": seller.product_id, "quantity": 7}
    ).json()

    def held() -> str:
        [row] = shop.sql(
            "SELECT end_reason FROM reservations WHERE reservation_id = %s", made["reservation_id"]
        )
        return row["end_reason"] or "held"

    shop.operate(lambda database, _: expire_holds(database, ahead(), seller.product_id, seller.name))
    assert held() == "held"
    replace(shop, runtime=ahead()).operate(
        lambda database, runtime: expire_holds(database, runtime, seller.product_id, seller.name)
    )
    assert held() == "expired"


def test_a_key_ends_when_either_clock_is_past_its_end(shop: Shop) -> None:
    seller = shop.seller()
    soon = datetime.now(UTC) + timedelta(hours=1)
    key = shop.key(seller.name, ["tickets:read"], expires_at=soon).key

    shop.operate(lambda database, runtime: Keyring(database, runtime).partner_for(key, "tickets:read"))
    with pytest.raises(ApiKeyInvalid):
        shop.operate(lambda database, _: Keyring(database, ahead()).partner_for(key, "tickets:read"))
    moved = replace(shop, dsn=with_clock_of(ahead(), shop.dsn))
    with pytest.raises(ApiKeyInvalid):
        moved.operate(lambda database, runtime: Keyring(database, runtime).partner_for(key, "tickets:read"))


def test_what_is_kept_for_days_is_not_forgotten_by_one_wrong_clock(dsn: str) -> None:
    with own_database(dsn) as own:
        shop = Shop(own, "")
        years = Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + timedelta(days=3000))
        shop.sql("INSERT INTO refusal_days (day, partner_id, code, refused) VALUES (current_date, 1, 'X', 1)")
        shop.operate(lambda database, _: roll_up_once(database, years))
        assert shop.sql("SELECT refused FROM refusal_days") == [{"refused": 1}]


def test_counts_of_gates_are_forgotten_when_both_clocks_say_so(dsn: str) -> None:
    with own_database(dsn) as own:
        shop = Shop(own, "")
        old = GATE_COUNTS_KEPT.days + 2
        for age, device in ((old, "OLD"), (1, "NEW")):
            shop.sql(
                "INSERT INTO gate_counts VALUES (current_date - %s::integer, 'key:7', %s, 'QR_INVALID', NULL, 1, now())",
                age,
                device,
            )
        years = Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + timedelta(days=3000))
        shop.operate(lambda database, _: roll_up_once(database, years))
        assert shop.sql("SELECT device_id FROM gate_counts") == [{"device_id": "NEW"}]
        replace(shop, runtime=years).operate(roll_up_once)
        assert shop.sql("SELECT device_id FROM gate_counts") == []
