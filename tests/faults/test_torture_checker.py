"""The checker of the torture harness finds nothing after an undisturbed run, and finds each planted fault."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.service import Service
from support.shop import PARTNER_PERMISSIONS, Seller, Shop

from torture.checker import check
from torture.clients import Account, Client
from torture.journal import UNREADABLE, Exchange, Journal, read_journal
from torture.knowledge import Knowledge
from torture.operations import OPERATIONS
from torture.scans import device_discrepancies
from torture.tables import read_tables

FUNCTIONS = {"ferry": 2, "gift": 1}
CLIENTS, REQUESTS_EACH = 6, 30
EACH_KIND = [
    "generate", "activate", "reissue", "redeem", "generate", "draw", "order", "cancel", "generate", "cancel_batch",
    "reserve", "generate_from_reservation", "reserve", "release", "generate", "draw", "draw", "snapshot", "sync", "sync",
    "list_tickets", "export",
]  # fmt: skip
"""In an order in which each is possible."""


@pytest.fixture(scope="module")
def sold(
    dsn: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Seller, list[Exchange]]:
    """A partner that some clients have sold for, and what they wrote down."""
    shop = Shop(dsn, service.url)
    seller = shop.seller(stock=5000, permissions=[*PARTNER_PERMISSIONS, "gate:redeem"], functions=FUNCTIONS)
    path: Path = tmp_path_factory.mktemp("torture") / "journal"
    journal = Journal(path)
    account = Account(seller.key, Knowledge(seller.partner_id, seller.product_id, FUNCTIONS))

    async def send(number: int) -> None:
        async with Client([service.url], account, journal, seed=f"{number}") as client:
            for _ in range(REQUESTS_EACH):
                await client.send_one()

    async def run() -> None:
        async with Client([service.url], account, journal, seed="first") as client:
            for kind in EACH_KIND:
                await client.send_one(kinds=[kind])
        await asyncio.gather(*(send(number) for number in range(CLIENTS)))

    asyncio.run(run())
    journal.close()
    return seller, read_journal(path)


def rules_broken(seller: Seller, exchanges: list[Exchange], *plants: str) -> set[str]:
    """The rules that the checker finds broken, after `plants`: changes past the product's triggers, which are rolled back."""
    with psycopg.connect(seller.dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        for plant in plants:
            # Of a partner of this test only: the database is shared.
            assert connection.execute(plant.encode(), {"partner": seller.partner_id}).rowcount == 1, plant
        found = check(exchanges, read_tables(connection, [seller.partner_id]))
        connection.rollback()
    return {discrepancy.rule for discrepancy in found}


def test_the_checker_finds_nothing_after_an_undisturbed_run(sold: tuple[Seller, list[Exchange]]) -> None:
    seller, exchanges = sold
    assert rules_broken(seller, exchanges) == set()
    answered = {exchange.request.kind for exchange in exchanges if exchange.success}
    assert answered == set(OPERATIONS)


def test_a_reservation_may_be_released_by_two_requests_with_one_event(
    sold: tuple[Seller, list[Exchange]],
) -> None:
    seller, exchanges = sold
    release = next(each for each in exchanges if each.request.kind == "release" and each.success)
    assert release.success
    again = seller.http.delete(release.request.path, headers={"Idempotency-Key": "another"})
    assert (again.status_code, again.json()) == (200, release.success.body)
    second = Exchange(replace(release.request, key="another"), release.responses)
    assert rules_broken(seller, [*exchanges, second]) == set()


ORDER = (
    "(SELECT min(order_id) FROM ota_orders WHERE partner_id = %(partner)s AND cardinality(ticket_codes) = 1)"
)
TICKET = f"(SELECT ticket_codes[1] FROM ota_orders WHERE order_id = {ORDER})"
MORE_USES = "jsonb_set(entitlements, '{0,remaining_uses}', '9')"
UNSOLD = "UPDATE pre_generated_tickets SET status = 'PRE_GENERATED', order_id = NULL, activated_at = NULL"
NO_SALE = (
    f"{UNSOLD} WHERE order_id = {ORDER}",
    f"DELETE FROM audit_events WHERE event = 'ticket.activated' AND order_id = {ORDER}",
    f"DELETE FROM ota_orders WHERE order_id = {ORDER}",
)
"""As if the transaction of an answered sale had never been."""
REDEMPTION = (
    "(SELECT max(event_id) FROM audit_events WHERE partner_id = %(partner)s AND event = 'ticket.redeemed')"
)
REISSUE = (
    "(SELECT max(event_id) FROM audit_events WHERE partner_id = %(partner)s AND event = 'ticket.reissued')"
)
CANCELLED_IN_ITS_BATCH = (
    "(SELECT min(ticket_code) FROM audit_events WHERE partner_id = %(partner)s AND event = 'ticket.cancelled'"
    " AND batch_id IS NOT NULL)"
)
UPLOADED = (
    "(SELECT max(event_id) FROM audit_events WHERE partner_id = %(partner)s AND event = 'ticket.redeemed'"
    " AND data ->> 'entry' = 'offline')"
)
RESERVATION_OF_A_BATCH = "(SELECT min(reservation_id) FROM batches WHERE partner_id = %(partner)s)"
RELEASED_RESERVATION = "(SELECT min(reservation_id) FROM reservations WHERE partner_id = %(partner)s AND end_reason = 'released')"
ALLOTMENT = "FROM partners WHERE partners.channel = allotments.channel AND partner_id = %(partner)s"
ONE_TICKET_LEFT_ALONE = (
    f"UPDATE pre_generated_tickets SET status = 'PRE_GENERATED' WHERE ticket_code = {CANCELLED_IN_ITS_BATCH}",
    f"DELETE FROM audit_events WHERE event = 'ticket.cancelled' AND ticket_code = {CANCELLED_IN_ITS_BATCH}",
    f"UPDATE allotments SET issued = issued + 1 {ALLOTMENT}",
)
"""As if the cancellation of a batch had ended too early."""
COPY_OF_THE_ORDER = (
    "INSERT INTO ota_orders SELECT (jsonb_populate_record(o, {changes})).* FROM ota_orders o WHERE order_id = "
    + ORDER
)


@pytest.mark.parametrize(
    ("rule", "plants"),
    [
        ("an answered change is in the tables", NO_SALE),
        ("batches are whole", [f"DELETE FROM pre_generated_tickets WHERE ticket_code = {TICKET}"]),
        (
            "orders and tickets agree",
            [
                COPY_OF_THE_ORDER.format(
                    changes="""'{"order_id": "ORD-0000000000001", "idempotency_key": "another"}'"""
                )
            ],
        ),
        (
            "a row was requested",
            [
                COPY_OF_THE_ORDER.format(
                    changes="""'{"order_id": "ORD-0000000000001", "idempotency_key": "another"}'"""
                )
            ],
        ),
        (
            "a request is executed once",
            [
                COPY_OF_THE_ORDER.format(
                    changes="""'{"order_id": "ORD-0000000000001", "operation": "again"}'"""
                )
            ],
        ),
        (
            "the tables have the values answered",
            [f"UPDATE ota_orders SET payment_reference = 'PAY-of-another' WHERE order_id = {ORDER}"],
        ),
        ("the tables have the values answered", ONE_TICKET_LEFT_ALONE),
        (
            "an answered change is in the tables",
            [f"DELETE FROM audit_events WHERE event_id = {REDEMPTION}"],
        ),
        (
            "a row was requested",
            [f"UPDATE audit_events SET idempotency_key = 'another' WHERE event_id = {REISSUE}"],
        ),
        ("an answered change is in the tables", [f"DELETE FROM audit_events WHERE event_id = {UPLOADED}"]),
        (
            "the tables have the values answered",
            [f'UPDATE audit_events SET data = data || \'{{"status": "LOST"}}\' WHERE event_id = {UPLOADED}'],
        ),
        (
            "a request is executed once",
            [
                "INSERT INTO audit_events SELECT (jsonb_populate_record(e, '{\"event_id\": 1}')).* FROM audit_events e"
                " WHERE event_id = " + UPLOADED
            ],
        ),
        ("stock is conserved", [f"UPDATE allotments SET issued = issued + 1 {ALLOTMENT}"]),
        (
            "reservations and batches agree",
            [f"UPDATE reservations SET taken = taken - 1 WHERE reservation_id = {RESERVATION_OF_A_BATCH}"],
        ),
        (
            "reservations and batches agree",
            [f"UPDATE reservations SET end_reason = 'used_up' WHERE reservation_id = {RELEASED_RESERVATION}"],
        ),
        (
            "every change has its event",
            [
                f"DELETE FROM audit_events WHERE event = 'reservation.released' AND data ->> 'reservation_id' = {RELEASED_RESERVATION}",
                f"UPDATE reservations SET end_reason = 'expired' WHERE reservation_id = {RELEASED_RESERVATION}",
            ],
        ),
        (
            "entitlements are grant minus uses",
            [f"UPDATE pre_generated_tickets SET entitlements = {MORE_USES} WHERE ticket_code = {TICKET}"],
        ),
        (
            "entitlements are grant minus uses",
            [
                f"{UNSOLD} WHERE ticket_code = (SELECT ticket_code FROM audit_events WHERE event_id = {REDEMPTION})"
            ],
        ),
        (
            "every change has its event",
            [f"DELETE FROM audit_events WHERE event = 'ticket.activated' AND ticket_code = {TICKET}"],
        ),
    ],
)
def test_the_checker_finds_a_planted_fault(
    sold: tuple[Seller, list[Exchange]], rule: str, plants: list[str]
) -> None:
    assert rule in rules_broken(*sold, *plants)


def test_the_checker_finds_wrong_responses(sold: tuple[Seller, list[Exchange]]) -> None:
    seller, exchanges = sold
    first, second, *_ = (each for each in exchanges if each.request.kind == "activate" and each.success)
    assert first.success
    for rule, responses in {
        "a response has an allowed status": [replace(first.success, status=500), *first.responses],
        "a retry gets the first response again": [
            *first.responses,
            replace(first.success, body={"order_id": "another"}),
        ],
        "a request is executed or refused, not both": [*first.responses, replace(first.success, status=409)],
        "a refused request changes nothing": [replace(first.success, status=409)],
        "a code or an id is given once": second.responses,
        "a ticket is sold once": second.responses,
    }.items():
        wrong = [Exchange(first.request, responses) if each is first else each for each in exchanges]
        assert rule in rules_broken(seller, wrong)
    reissue = next(each for each in exchanges if each.request.kind == "reissue" and each.success)
    twice = Exchange(replace(reissue.request, key="another"), reissue.responses)
    assert "a code or an id is given once" in rules_broken(seller, [*exchanges, twice])
    # What a client does not know may be in the tables or not.
    unknown = [Exchange(first.request, []) if each is first else each for each in exchanges]
    assert rules_broken(seller, unknown) == set()


def _changed(exchange: Exchange, **changes: Any) -> Exchange:
    """The exchange with another first response."""
    return Exchange(exchange.request, [replace(exchange.responses[0], **changes), *exchange.responses[1:]])


def test_the_checker_finds_wrong_results_of_an_upload(sold: tuple[Seller, list[Exchange]]) -> None:
    seller, exchanges = sold
    upload = next(
        each
        for each in exchanges
        if each.request.kind == "sync" and each.success and "accepted" in str(each.success.body)
    )
    assert upload.success
    assert upload.success.body
    results = [each | {"outcome": "conflict"} for each in upload.success.body["results"]]
    for wrong in (_changed(upload, body={"results": results}), _changed(upload, status=409)):
        others = [wrong if each is upload else each for each in exchanges]
        assert "a refused request changes nothing" in rules_broken(seller, others)


@pytest.mark.parametrize("kind", ["list_tickets", "export"])
def test_the_checker_finds_a_read_that_shows_something_else(
    sold: tuple[Seller, list[Exchange]], kind: str
) -> None:
    seller, exchanges = sold
    last = max(each.ended_at for exchange in exchanges for each in exchange.responses)
    code, read = next(
        (code, each)
        for each in exchanges
        if each.request.kind == kind and each.success and each.success.body
        for code, (status, _) in each.success.body["tickets"].items()
        if status == "ACTIVE"
    )
    assert read.success
    assert read.success.body
    tickets = read.success.body["tickets"]
    for shown in (
        {other: value for other, value in tickets.items() if other != code},
        tickets | {"CRUISE-2026-FERRY-0000000000001": ["ACTIVE", "ORD-0000000000001"]},
        tickets | {code: ["EXPIRED", tickets[code][1]]},
        tickets | {code: ["ACTIVE", "ORD-0000000000001"]},
        # A read that began after all sales were answered.
        tickets | {code: ["PRE_GENERATED", None]},
    ):
        wrong = _changed(read, body={"tickets": shown}, began_at=last + 1)
        others = [wrong if each is read else each for each in exchanges]
        assert rules_broken(seller, others) == {"a read shows what was answered before"}


def test_the_checker_finds_a_response_of_another_form(sold: tuple[Seller, list[Exchange]]) -> None:
    seller, exchanges = sold
    wrong = _changed(exchanges[0], body={UNREADABLE: "<html>"})
    assert "a response has its form" in rules_broken(seller, [wrong, *exchanges[1:]])


def test_the_checker_finds_a_device_that_knows_something_else(
    sold: tuple[Seller, list[Exchange]], service: Service, tmp_path: Path
) -> None:
    seller, _ = sold
    known = Knowledge(seller.partner_id, seller.product_id, FUNCTIONS)

    async def follow() -> None:
        async with Client([service.url], Account(seller.key, known), Journal(tmp_path / "j"), "") as client:
            await client.fetch_snapshots()
            await client.fetch_snapshots()

    asyncio.run(follow())
    with psycopg.connect(seller.dsn) as connection:
        tables = read_tables(connection, [seller.partner_id])
    assert list(device_discrepancies([known], tables)) == []
    device = known.devices[0]
    code, (issue_number, uses) = next(iter(device.tickets.items()))
    for tickets in (
        {other: value for other, value in device.tickets.items() if other != code},
        device.tickets | {"CRUISE-2026-FERRY-0000000000001": (1, uses)},
        device.tickets | {code: (issue_number + 1, uses)},
        device.tickets | {code: (issue_number, uses | {"ferry": 9})},
    ):
        wrong = replace(known, devices=[replace(device, tickets=tickets)])
        [found] = device_discrepancies([wrong], tables)
        assert found.rule == "devices know what the tables have"
