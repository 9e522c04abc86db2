"""The same Idempotency-Key with the same request gives the same answer again."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.shop import Seller, Shop
from support.taking_back import USED_UP

from premade.audit.idempotency import TRIES_MAX, Overtaken
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Batch, Generation, Generator
from premade.partners.keyring import Caller
from premade.runtime.clock import Runtime
from premade.tickets.signing import Signers

KEY = {"Idempotency-Key": "first-try"}


def test_a_batch_is_answered_again_as_it_was_made(seller: Seller, shop: Shop) -> None:
    wanted: dict[str, Any] = {
        "batch_id": "B1",
        "valid_until": "2099-01-01",
        "metadata": {"b": 1, "a": [2, "x"]},
    }
    first = seller.generate(3, headers=KEY, **wanted)
    shop.sql("UPDATE products SET price = 1 WHERE product_id = %s", seller.product_id)
    shop.sql("UPDATE product_functions SET uses = 9 WHERE product_id = %s", seller.product_id)

    again = seller.generate(3, headers=KEY, **wanted)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(shop.sql("SELECT FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)) == 3
    assert shop.sql("SELECT issued FROM allotments WHERE product_id = %s", seller.product_id) == [
        {"issued": 3}
    ]


@pytest.mark.parametrize("later", [None, "USED", "CANCELLED"])
def test_an_activation_is_answered_again_as_it_was_done(
    seller: Seller, shop: Shop, later: str | None
) -> None:
    [code] = seller.tickets()
    first = seller.activate(code, headers=KEY)
    if later is not None:
        change = USED_UP if later == "USED" else f"status = '{later}'"
        shop.sql(f"UPDATE pre_generated_tickets SET {change} WHERE ticket_code = %s", code)

    again = seller.activate(code, headers=KEY)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)) == 1


def test_the_request_is_compared_as_it_is_meant_not_as_it_is_spelt(seller: Seller) -> None:
    [code] = seller.tickets(batch_id="B1", metadata={"a": 1, "b": 2}, headers=KEY)

    batch = seller.generate(1, batch_id="B1", metadata={"b": 2, "a": 1}, headers=KEY)
    first = seller.activate(code, phone="+1234567890", email="john@example.com", headers=KEY)
    again = seller.activate(code, phone="+1 (234) 567-890", email="john@EXAMPLE.com", headers=KEY)

    assert batch.headers["Idempotency-Replayed"] == "true"
    assert first.json() == again.json()


def test_another_request_with_the_same_key_is_refused_and_changes_nothing(seller: Seller, shop: Shop) -> None:
    [one, two] = seller.tickets(2, headers=KEY)
    seller.activate(one, headers=KEY)

    batch = seller.generate(5, headers=KEY)
    sale = seller.activate(two, headers=KEY)

    assert (batch.status_code, sale.status_code) == (422, 422)
    assert {batch.json()["code"], sale.json()["code"]} == {"IDEMPOTENCY_KEY_REUSED"}
    assert len(shop.sql("SELECT FROM batches WHERE partner_id = %s", seller.partner_id)) == 1
    assert seller.http.get(f"/api/ota/tickets/{two}").json()["status"] == "PRE_GENERATED"


def test_a_key_in_the_quotes_of_a_structured_field_is_the_same_key(seller: Seller) -> None:
    seller.tickets(batch_id="B1", headers={"Idempotency-Key": "k1"})

    again = seller.generate(1, batch_id="B1", headers={"Idempotency-Key": '"k1"'})

    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_key_is_one_partner_s_and_one_operation_s(seller: Seller, shop: Shop) -> None:
    other = shop.seller()

    [code] = seller.tickets(headers=KEY)
    [other_code] = other.tickets(headers=KEY)

    assert seller.activate(code, headers=KEY).status_code == 200
    assert other.activate(other_code, headers=KEY).status_code == 200


def test_a_refusal_is_not_remembered(shop: Shop) -> None:
    seller = shop.seller(stock=1)

    refused = seller.generate(2, batch_id="B1", headers=KEY)
    shop.sql("UPDATE allotments SET allotted = 2 WHERE product_id = %s", seller.product_id)
    made = seller.generate(2, batch_id="B1", headers=KEY)

    assert (refused.status_code, made.status_code) == (409, 201)
    assert "Idempotency-Replayed" not in made.headers


def test_a_replay_wins_over_a_taken_batch_id_and_an_activated_ticket(seller: Seller) -> None:
    [code] = seller.tickets(batch_id="B1", headers=KEY)
    seller.activate(code, headers=KEY)

    assert seller.generate(1, batch_id="B1").status_code == 409
    assert seller.generate(1, batch_id="B1", headers=KEY).status_code == 201
    assert seller.activate(code).status_code == 409
    assert seller.activate(code, headers=KEY).status_code == 200


def test_a_retry_after_midnight_of_the_last_day_of_sale_is_answered_like_the_first_try(shop: Shop) -> None:
    seller = shop.seller()
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    wanted = BatchRequest(seller.product_id, 1, "B1", valid_until=date(2026, 3, 31), idempotency_key="k")

    def generate_at(moment: datetime) -> Batch:
        runtime = Runtime(ZoneInfo("UTC"), now=lambda: moment)
        return shop.operate(
            lambda database, _: Generator(database, runtime, Signers(database, runtime)).generate(
                caller, "r", wanted
            )
        )

    first = generate_at(datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC))
    again = generate_at(datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC))

    assert again.replayed
    assert again.tickets == first.tickets


def test_a_retry_that_a_time_limit_refuses_while_the_first_try_succeeds_gets_its_answer(shop: Shop) -> None:
    """The retry finds no receipt; then the first try succeeds, midnight passes, and the retry is attempted."""
    seller = shop.seller()
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    wanted = BatchRequest(seller.product_id, 1, "B1", valid_until=date(2026, 3, 31), idempotency_key="k")
    before, after = (
        Runtime(ZoneInfo("UTC"), now=lambda moment=moment: moment)
        for moment in (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    )
    first: list[Batch] = []

    class Retry(Generator):
        async def attempt(self, request: Generation) -> Batch:
            generator = Generator(self.database, before, self.signers)
            first.append(await generator.generate(caller, "first", wanted))
            return await super().attempt(request)

    again = shop.operate(
        lambda database, _: Retry(database, after, Signers(database, after)).generate(caller, "r", wanted)
    )

    assert [replace(each, replayed=True) for each in first] == [again]


def test_a_retry_that_is_overtaken_in_each_attempt_gets_the_answer_of_the_first_try(shop: Shop) -> None:
    """Requests of others overtake the retry first. In its last attempt the first try does, and leaves the receipt."""
    seller = shop.seller()
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    wanted = BatchRequest(seller.product_id, 1, "B1", idempotency_key="k")
    first: list[Batch] = []
    attempts = iter(range(1, TRIES_MAX + 1))

    class Retry(Generator):
        async def attempt(self, request: Generation) -> Batch:
            if next(attempts) == TRIES_MAX:
                generator = Generator(self.database, self.runtime, self.signers)
                first.append(await generator.generate(caller, "first", wanted))
            raise Overtaken

    again = shop.operate(
        lambda database, runtime: Retry(database, runtime, Signers(database, runtime)).generate(
            caller, "r", wanted
        )
    )

    assert [replace(each, replayed=True) for each in first] == [again]
