"""The checker of the torture harness finds nothing after an undisturbed run, and finds each planted fault."""

import asyncio
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support.service import Service
from support.shop import PARTNER_PERMISSIONS, Seller, Shop

from torture.checker import check
from torture.clients import Account, Client
from torture.journal import Exchange, Journal, read_journal
from torture.knowledge import Knowledge
from torture.tables import read_tables

FUNCTIONS = {"ferry": 2, "gift": 1}
CLIENTS, REQUESTS_EACH = 6, 30


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
        await asyncio.gather(*(send(number) for number in range(CLIENTS)))

    asyncio.run(run())
    journal.close()
    return seller, read_journal(path.read_text().splitlines())


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
    assert answered >= {"generate", "activate", "draw", "order", "cancel", "redeem"}


ORDER = (
    "(SELECT min(order_id) FROM ota_orders WHERE partner_id = %(partner)s AND cardinality(ticket_codes) = 1)"
)
TICKET = f"(SELECT ticket_codes[1] FROM ota_orders WHERE order_id = {ORDER})"
MORE_USES = "jsonb_set(entitlements, '{0,remaining_uses}', '9')"
NO_SALE = (
    f"UPDATE pre_generated_tickets SET status = 'PRE_GENERATED', order_id = NULL, activated_at = NULL WHERE order_id = {ORDER}",
    f"DELETE FROM audit_events WHERE event = 'ticket.activated' AND order_id = {ORDER}",
    f"DELETE FROM ota_orders WHERE order_id = {ORDER}",
)
"""As if the transaction of an answered sale had never been."""
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
        (
            "stock is conserved",
            [
                "UPDATE allotments SET issued = issued + 1 FROM partners WHERE partners.channel = allotments.channel AND partner_id = %(partner)s"
            ],
        ),
        (
            "entitlements are grant minus uses",
            [f"UPDATE pre_generated_tickets SET entitlements = {MORE_USES} WHERE ticket_code = {TICKET}"],
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
    # What a client does not know may be in the tables or not.
    unknown = [Exchange(first.request, []) if each is first else each for each in exchanges]
    assert rules_broken(seller, unknown) == set()
