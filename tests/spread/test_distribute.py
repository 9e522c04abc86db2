"""`ops/citus/distribute.sql`: it keeps all rows, and refuses a database that it cannot spread."""

from collections.abc import Iterator

import psycopg
import pytest
from support import past
from support.postgres import empty_database, own_database
from support.shop import Shop
from support.spread import CHECK, DISTRIBUTE, spread

pytestmark = pytest.mark.nightly
TABLES = [
    "batches", "ota_orders", "pre_generated_tickets", "audit_events", "ticket_deltas", "ticket_totals",
    "activation_spans", "sales_days",
]  # fmt: skip


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    """On tables of one server."""
    with own_database(dsn) as own:
        yield Shop(own, "http://nowhere")


def contents(shop: Shop) -> dict[str, list[dict[str, object]]]:
    """Each table's number of rows, and a digest of them. An event of no partner counts as the operator's."""
    return {
        table: shop.sql(
            f"SELECT count(*) AS rows, sum(hashtextextended((to_jsonb(t) || jsonb_build_object('partner_id',"
            f" coalesce(t.partner_id, 0)))::text, 0)) AS digest FROM {table} t"
        )
        for table in TABLES
    }


def test_a_database_with_sales_keeps_its_rows_and_goes_on_selling(shop: Shop) -> None:
    sellers = [shop.seller() for _ in range(3)]
    codes = {seller.partner_id: past.generate(shop, seller, 5).tickets for seller in sellers}
    for seller in sellers:
        past.activate(shop, seller, codes[seller.partner_id][0].ticket_code)
    before = contents(shop)
    newest = shop.sql(
        "SELECT max(event_id) AS event, (SELECT max(ticket_id) FROM pre_generated_tickets) AS ticket FROM audit_events"
    )

    spread(shop.dsn)

    assert contents(shop) == before
    for seller in sellers:
        past.activate(shop, seller, codes[seller.partner_id][1].ticket_code)
        past.generate(shop, seller, 5)
    with psycopg.connect(shop.dsn) as connection:
        assert connection.execute(CHECK).fetchall() == []
    later = shop.sql(
        "SELECT count(*) AS events FROM audit_events WHERE event_id > %s", newest[0]["event"]
    ) + shop.sql(
        "SELECT count(*) AS tickets FROM pre_generated_tickets WHERE ticket_id > %s", newest[0]["ticket"]
    )
    assert later == [{"events": 6}, {"tickets": 15}]
    assert shop.sql("SELECT FROM audit_events WHERE partner_id IS NULL") == []
    assert shop.sql("SELECT FROM audit_events WHERE partner_id = 0") != []


def test_the_restored_backup_of_a_spread_database_can_be_spread_again(shop: Shop) -> None:
    """A dump has the changes of parts 1 to 4 of the script, but its tables are on one server."""
    past.generate(shop, shop.seller(), 5)
    spread(shop.dsn, is_split=False)
    before = contents(shop)

    spread(shop.dsn)

    assert contents(shop) == before
    past.generate(shop, shop.seller(), 5)


def refused(dsn: str, sql: bytes) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException) as refusal:
            connection.execute(sql)
        connection.execute("ROLLBACK")
    return refusal.value.diag.message_primary or ""


def test_the_script_says_what_is_missing_and_changes_nothing(dsn: str, shop: Shop) -> None:
    with empty_database(dsn) as empty:
        assert "premade migrate" in refused(empty, DISTRIBUTE)
    assert "CREATE EXTENSION citus" in refused(shop.dsn, DISTRIBUTE)
    assert shop.sql("SELECT operator_partner() AS partner_id") == [{"partner_id": None}]
    spread(shop.dsn)
    assert "spread already" in refused(shop.dsn, DISTRIBUTE)


def test_on_spread_tables_the_database_refuses_the_same_as_on_one_server(shop: Shop) -> None:
    seller = shop.seller()
    [ticket] = past.generate(shop, seller).tickets
    spread(shop.dsn)

    for change, rule in {
        "UPDATE pre_generated_tickets SET status = 'USED'": "ticket_state_machine",
        "DELETE FROM pre_generated_tickets": "ticket_state_machine",
        "UPDATE pre_generated_tickets SET price = price + 1": "ticket_state_machine",
        "UPDATE pre_generated_tickets SET batch_id = 'other'": "ticket_state_machine",
        "DELETE FROM audit_events": "audit_is_append_only",
        "UPDATE audit_events SET actor = 'nobody'": "audit_is_append_only",
        "UPDATE batches SET to_make = 5": "batch",
        "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price,"
        " currency, created_at) SELECT 'CRUISE-2025-FERRY-1000000000001', partner_id, product_id, batch_id, qr_code,"
        " entitlements, 0.001, currency, created_at FROM pre_generated_tickets": "ticket_price_fits_its_currency",
    }.items():
        with psycopg.connect(shop.dsn) as connection, pytest.raises(psycopg.IntegrityError) as refusal:
            connection.execute(change.encode())
        assert (refusal.value.diag.constraint_name or "").startswith(rule), change
    assert past.state(shop, ticket.ticket_code) == "PRE_GENERATED"
