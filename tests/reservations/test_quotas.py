"""Quotas: how much stock a partner may have at a time, also if its requests arrive together."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from support.processes import wait_until
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.limits.partner_limits import CHANNEL_SHARE, UNUSED_TICKETS
from premade.partners.keyring import Caller
from premade.partners.limits import LimitsChangedMeanwhile, set_limits
from premade.runtime.errors import Invalid
from premade.runtime.settings import Settings
from premade.stock.quotas import Quotas


def limited(shop: Shop, limits: dict[str, int | None], seller: Seller | None = None) -> Seller:
    """A seller with limits of its own. They are in force at its first request."""
    seller = seller or shop.seller()
    shop.operate(lambda database, runtime: set_limits(database, runtime, seller.name, limits))
    return seller


def together(count: int, request: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(request, range(count)))


def test_requests_together_generate_no_more_than_the_quota(shop: Shop) -> None:
    seller = limited(shop, {"unused-tickets": 10})
    batches = [unique("BATCH") for _ in range(12)]
    answers = together(
        12,
        lambda number: seller.generate(
            2, batch_id=batches[number], headers={"Idempotency-Key": batches[number]}
        ),
    )
    done = [number for number, answer in enumerate(answers) if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]

    assert len(done) == 5
    assert {answer.status_code for answer in refused} == {409}
    assert refused[0].json() | {
        "code": "QUOTA_REACHED", "quota": "unused-tickets", "limit": 10, "in_use": 10, "requested": 2
    } == refused[0].json()  # fmt: skip
    assert seller.generate(dry_run=True).json()["code"] == "QUOTA_REACHED"
    # A retry is not a new request. A sale makes room for one more.
    key = batches[done[0]]
    replay = seller.generate(2, batch_id=key, headers={"Idempotency-Key": key})
    assert replay.headers["Idempotency-Replayed"] == "true"
    seller.activate(replay.json()["tickets"][0]["ticket_code"])
    assert seller.generate(2).json()["in_use"] == 9
    assert seller.generate(1).status_code == 201


def test_requests_together_make_no_more_reservations_than_the_quota(shop: Shop) -> None:
    seller = limited(shop, {"open-reservations": 3})
    answers = together(8, lambda _: seller.reserve())

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    [held, *_] = [answer.json()["reservation_id"] for answer in answers if answer.status_code == 201]
    assert seller.release(held).status_code == 200
    assert seller.reserve().status_code == 201


def test_a_partner_has_no_more_than_its_share_of_the_channel(shop: Shop) -> None:
    seller = limited(shop, {"channel-share": 10})
    hold = seller.hold(60)
    assert seller.generate(41).json()["detail"].endswith("Your share of the channel is 100.")
    assert seller.reserve(41).json()["quota"] == "channel-share"
    assert seller.generate(40).status_code == 201
    # What is reserved already may become tickets.
    assert seller.generate(60, reservation_id=hold).status_code == 201
    assert seller.generate(1).json()["in_use"] == 100


def test_the_settings_have_the_quotas_of_partners_without_their_own() -> None:
    quotas = Quotas.of(Settings(quota_unused_tickets=5, quota_channel_share_percent=10))
    without, with_own = Caller(1, 2, "ota"), Caller(1, 2, "ota", limits={UNUSED_TICKETS: 0, CHANNEL_SHARE: 0})

    assert quotas.partner_of(without) is without
    assert quotas.partner_of(with_own) is None
    assert Quotas.of(Settings()).partner_of(without) is None


def test_requests_of_a_partner_wait_for_each_other_without_connections(shop: Shop) -> None:
    seller, other = limited(shop, {"unused-tickets": 100}), shop.seller()
    with psycopg.connect(shop.dsn, autocommit=True) as elsewhere, ThreadPoolExecutor(8) as pool:
        elsewhere.execute(
            "SELECT pg_advisory_lock(hashtextextended('stock of a partner', %s))", [seller.partner_id]
        )
        requests = [pool.submit(seller.generate, 1) for _ in range(8)]
        wait_until(lambda: waiting(shop) > 0, "no request waits")
        assert other.generate(1).status_code == 201
        # One for each worker.
        assert waiting(shop) <= 2
        elsewhere.execute("SELECT pg_advisory_unlock_all()")
        assert {request.result().status_code for request in requests} == {201}


def waiting(shop: Shop) -> int:
    [row] = shop.sql("SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return row["locks"]


def test_a_limit_is_shown_changed_and_removed_by_command(shop: Shop) -> None:
    seller = shop.seller()
    arguments = ["partner", "limits", seller.name]
    changed = Operator(shop.dsn).run(
        *arguments, "--set", "rate-read=600", "--set", "unused-tickets=0", "--json"
    )
    values = {line["limit"]: line["value"] for line in json.loads(changed.stdout)}
    wrong = Operator(shop.dsn).run(*arguments, "--set", "rate-read=lots")

    assert (values["rate-read"], values["unused-tickets"], values["rate-gate"]) == (600, 0, "default")
    assert wrong.returncode == 1
    assert "'rate-read=600'" in wrong.stderr
    limited(shop, {"rate-read": None}, seller)
    rows = shop.sql("SELECT limit_name FROM partner_limits WHERE partner_id = %s", seller.partner_id)
    assert [row["limit_name"] for row in rows] == ["unused-tickets"]
    events = shop.sql(
        "SELECT data FROM audit_events WHERE partner_id = %s AND event = 'partner.limits_changed' ORDER BY event_id",
        seller.partner_id,
    )
    assert [event["data"]["limits"] for event in events] == [
        ["rate-read=600", "unused-tickets=0"], ["rate-read=default"]
    ]  # fmt: skip


def test_a_wrong_limit_and_one_that_changed_meanwhile_are_refused(shop: Shop) -> None:
    seller = limited(shop, {"rate-read": 600})
    with pytest.raises(Invalid) as invalid:
        limited(shop, {"rate-red": 1, "channel-share": 101}, seller)
    assert [error.pointer for error in invalid.value.errors] == ["rate-red", "channel-share"]
    with pytest.raises(LimitsChangedMeanwhile):
        shop.operate(
            lambda database, runtime: set_limits(
                database, runtime, seller.name, {"rate-read": 1}, expected=""
            )
        )
