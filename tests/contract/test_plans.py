"""How the hot statements reach their rows: by these indexes, on young tables as on grown ones."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.shop import Seller

from premade.activation.activate import sql as activation
from premade.base.statements import Statement
from premade.base.work import SESSION_SETTINGS
from premade.batches.lookup import sql as batches
from premade.generation.generate import sql as generation
from premade.orders.lookup import sql as orders
from premade.partners.keyring import sql as keys
from premade.stock.allotment import sql as stock
from premade.tickets.listing import sql as listing
from premade.tickets.lookup import sql as tickets

PLANS: dict[str, tuple[Statement, set[str]]] = {
    "activate": (
        activation.activate,
        {"ota_orders_idempotency_key_taken", "ticket_code_taken", "pre_generated_tickets_pkey", "ota_orders_by_partner"},
    ),
    "wait_for_ticket": (activation.wait_for_ticket, {"ticket_code_taken"}),
    "look": (
        generation.look,
        {"products_pkey", "allotments_pkey", "batch_id_taken", "batches_idempotency_key_taken", "product_functions_pkey"},
    ),
    "write": (generation.write, {"allotments_pkey"}),
    "key_by_prefix": (keys.key_by_prefix, {"api_keys_prefix_taken", "partners_pkey"}),
    "ticket_by_code": (tickets.ticket_by_code, {"ticket_code_taken"}),
    "ticket_with_history": (
        tickets.ticket_with_history, {"ticket_code_taken", "audit_events_by_ticket", "audit_events_by_batch"}
    ),
    "tickets_by_time": (listing.tickets_by_time, {"tickets_by_time"}),
    "tickets_of_batch": (listing.tickets_of_batch, {"tickets_by_batch"}),
    "tickets_of_payment": (listing.tickets_of_payment, {"ota_orders_by_payment", "ticket_code_taken"}),
    "batch_by_id": (batches.batch_by_id, {"batch_id_taken", "tickets_by_batch"}),
    "batches_by_time": (batches.batches_by_time, {"batches_by_partner", "tickets_by_batch"}),
    "order_by_id": (orders.order_by_id, {"ota_orders_by_partner"}),
    "orders_by_id": (orders.orders_by_id, {"ota_orders_by_partner"}),
    "orders_of_payment": (orders.orders_of_payment, {"ota_orders_by_payment"}),
    "inventory_of_partner": (
        stock.inventory_of_partner,
        {"partners_pkey", "allotments_pkey", "products_pkey", "reservations_not_ended"},
    ),
    "products_of_partner": (
        stock.products_of_partner, {"partners_pkey", "allotments_pkey", "products_pkey", "product_functions_pkey"}
    ),
}  # fmt: skip


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def plan_of(connection: psycopg.Connection, statement: Statement) -> dict[str, Any]:
    """As the service's own connections plan it, without knowing the values."""
    connection.execute(SESSION_SETTINGS)
    connection.execute("SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL")
    connection.execute(b"PREPARE hot AS " + statement.text)
    nothing = ", ".join(["NULL"] * len(statement.parameters))
    row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE hot({nothing})".encode()).fetchone()
    assert row is not None
    told = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return told[0]["Plan"]


@pytest.mark.parametrize("age", ["young", "grown"])
@pytest.mark.parametrize("name", PLANS)
def test_a_hot_statement_reaches_its_rows_by_its_indexes(
    dsn: str, seller: Seller, name: str, age: str
) -> None:
    statement, indexes = PLANS[name]
    with psycopg.connect(dsn, autocommit=True) as connection:
        if age == "grown":
            for _ in range(3):
                seller.tickets(100)
            connection.execute("ANALYZE")
        used = list(nodes(plan_of(connection, statement)))

    assert [node["Relation Name"] for node in used if node["Node Type"] == "Seq Scan"] == []
    assert {node["Index Name"] for node in used if "Index Name" in node} == indexes
    # No index is read whole: each has a condition on what it is asked for.
    assert [node["Index Name"] for node in used if "Index Name" in node and "Index Cond" not in node] == []
