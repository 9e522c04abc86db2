"""With PREMADE_STATEMENTS_BY_PARTNER, each statement of sales, scans and counts is about one partner."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from support import past
from support.postgres import own_database
from support.shop import Seller, Shop, unique
from support.spread import CHECK, spread

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.monitoring.rollup import roll_up_once
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, open_database
from premade.redemption.inspect import Inspector
from premade.redemption.offline_scan import InvalidEntry, OfflineScan
from premade.redemption.redeem import Redeemed, Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device, Entry, PresentedTicket, Scan
from premade.redemption.sync import Syncer
from premade.tickets.lookup import TicketUnknown
from premade.tickets.signing import Verifiers

pytestmark = pytest.mark.nightly
PARTNERS = 3
TICKETS = 20
CONNECTIONS = 8
OPERATORS_GATE = GateCaller("key:7", None, frozenset(), 7)
WITH_SEVERAL_PARTNERS = """
SELECT event, count(*) AS statements FROM (
    SELECT event, transaction_id FROM audit_events WHERE ticket_code IS NOT NULL
    GROUP BY event, transaction_id HAVING count(DISTINCT partner_id) > 1
) AS transactions GROUP BY event
"""
"""Each statement of a micro-batch is a transaction of its own."""


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    """On tables that are spread by partner."""
    with own_database(dsn) as own:
        spread(own)
        yield Shop(own, "http://nowhere")


@pytest.fixture
def tickets(shop: Shop) -> list[tuple[Seller, str]]:
    """Unused tickets of several partners, in turn."""
    sellers = [shop.seller() for _ in range(PARTNERS)]
    codes = [
        [ticket.ticket_code for ticket in past.generate(shop, seller, TICKETS).tickets] for seller in sellers
    ]
    return [
        (seller, code)
        for turn in zip(*codes, strict=True)
        for seller, code in zip(sellers, turn, strict=True)
    ]


def activation(seller: Seller, code: str) -> Activation:
    return Activation(
        past.caller_of(seller),
        "r",
        code,
        "John Smith",
        "john@example.com",
        "+1234567890",
        "PAY",
        unique("key"),
    )


def scan(code: str) -> Scan:
    return Scan(
        OPERATORS_GATE, "r", PresentedTicket(code, 1), "gift", 1, "GATE-1", unique("scan"), Entry.SCAN
    )


async def sell_and_redeem(shop: Shop, database: Database, tickets: list[tuple[Seller, str]]) -> None:
    activator, redeemer = Activator(database, shop.runtime), Redeemer(database, shop.runtime)
    await asyncio.gather(*(activator.activate(activation(seller, code)) for seller, code in tickets))
    await asyncio.gather(*(redeemer.redeem(scan(code)) for _, code in tickets))


@pytest.mark.parametrize("by_partner", [True, False])
def test_no_statement_has_two_partners(
    shop: Shop, tickets: list[tuple[Seller, str]], *, by_partner: bool
) -> None:
    async def run() -> None:
        async with open_database(shop.dsn, CONNECTIONS, by_partner=by_partner) as database:
            await sell_and_redeem(shop, database, tickets)

    asyncio.run(run())

    statements = {row["event"] for row in shop.sql(WITH_SEVERAL_PARTNERS)}
    assert statements == (set() if by_partner else {"ticket.activated", "ticket.redeemed"})
    states = shop.sql("SELECT status, count(*) AS tickets FROM pre_generated_tickets GROUP BY status")
    assert states == [{"status": "ACTIVE", "tickets": len(tickets)}]


def test_a_gate_of_the_operator_finds_the_partner_of_a_ticket_or_none(
    shop: Shop, tickets: list[tuple[Seller, str]]
) -> None:
    seller, code = tickets[0]
    past.activate(shop, seller, code)

    async def run() -> None:
        async with open_database(shop.dsn, CONNECTIONS, by_partner=True) as database:
            inspector, redeemer = Inspector(database, shop.runtime), Redeemer(database, shop.runtime)
            inspection = await inspector.inspect(OPERATORS_GATE, PresentedTicket(code, 1))
            assert (inspection.ticket_code, inspection.refusal) == (code, None)
            first, second = scan(code), scan("CRUISE-2025-FERRY-0000000000001")
            assert not (await redeemer.redeem(first)).replayed
            assert (await redeemer.redeem(first)).replayed
            for refused in (redeemer.redeem(second), inspector.inspect(OPERATORS_GATE, second.presented)):
                with pytest.raises(TicketUnknown):
                    await refused

    asyncio.run(run())


@pytest.mark.parametrize("by_partner", [True, False])
def test_an_upload_of_several_partners_tickets_has_its_results_in_order(
    shop: Shop, *, by_partner: bool
) -> None:
    sellers = [shop.seller() for _ in range(PARTNERS)]
    tickets = [past.generate(shop, seller).tickets[0] for seller in sellers]
    for seller, ticket in zip(sellers, tickets, strict=True):
        past.activate(shop, seller, ticket.ticket_code)
    first, second, third = tickets
    # Of the first ticket, the gift is used twice; one QR is forged.
    qrs = [third.token, first.token, second.token[:-1], second.token, first.token]
    entries: list[OfflineScan | InvalidEntry] = [
        OfflineScan(unique("scan"), qr, "gift", 1, shop.runtime.now()) for qr in qrs
    ]

    async def upload() -> list[tuple[str | None, str]]:
        async with open_database(shop.dsn, CONNECTIONS, by_partner=by_partner) as database:
            syncer = Syncer(database, shop.runtime, Verifiers(database, shop.runtime), GateRules())
            results = await syncer.sync(Device(OPERATORS_GATE, "r", "GATE-1"), entries)
        return [
            (result.ticket_code, "redeemed" if isinstance(result, Redeemed) else result.code)
            for result in results
        ]

    expected = [
        (third.ticket_code, "redeemed"),
        (first.ticket_code, "redeemed"),
        (None, "QR_INVALID"),
        (second.ticket_code, "redeemed"),
        (first.ticket_code, "USED_UP"),
    ]
    assert asyncio.run(upload()) == expected
    # Another upload of the same scans gets the same results.
    assert asyncio.run(upload()) == expected


def test_the_counts_are_those_of_the_tickets_whether_rolled_up_by_partner_or_not(
    shop: Shop, tickets: list[tuple[Seller, str]]
) -> None:
    sold = tickets[: PARTNERS * 5]

    async def run() -> int:
        async with open_database(shop.dsn, CONNECTIONS, by_partner=True) as database:
            activator = Activator(database, shop.runtime)
            await asyncio.gather(*(activator.activate(activation(seller, code)) for seller, code in sold))
            return await roll_up_once(database, shop.runtime)

    assert asyncio.run(run()) == len(tickets) + len(sold)

    assert shop.sql("SELECT FROM ticket_deltas") == []
    partners = sorted({seller.partner_id for seller, _ in tickets})
    unused = shop.sql(
        "SELECT partner_id, sum(unused)::integer AS unused FROM ticket_totals GROUP BY 1 ORDER BY 1"
    )
    assert unused == [{"partner_id": partner_id, "unused": TICKETS - 5} for partner_id in partners]
    for table in ("activation_spans", "sales_days"):
        column = "activated" if table == "activation_spans" else "tickets"
        rows = shop.sql(
            f"SELECT partner_id, sum({column})::integer AS sold FROM {table} GROUP BY 1 ORDER BY 1"
        )
        assert rows == [{"partner_id": partner_id, "sold": 5} for partner_id in partners]
    [amount] = shop.sql("SELECT sum(amount) AS amount FROM sales_days")
    assert amount["amount"] == 288 * len(sold)


def test_the_check_finds_a_code_that_two_partners_have(shop: Shop, tickets: list[tuple[Seller, str]]) -> None:
    for seller, code in tickets[:PARTNERS]:
        past.activate(shop, seller, code)
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        assert connection.execute(CHECK).fetchall() == []

        (_, code), (other, other_code) = tickets[PARTNERS : PARTNERS + 2]
        copied = (
            "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements,"
            " price, currency, created_at) SELECT %s, partner_id, product_id, batch_id, qr_code, entitlements, price,"
            " currency, created_at FROM pre_generated_tickets WHERE ticket_code = %s"
        )
        connection.execute(copied, [code, other_code])
        assert connection.execute(CHECK).fetchall() == [("ticket_code", code, 2)]
        with pytest.raises(psycopg.errors.UniqueViolation, match="ticket_code_taken"):
            connection.execute(copied, [other_code, other_code])
        assert other.partner_id
