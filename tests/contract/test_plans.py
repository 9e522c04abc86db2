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
from premade.generation.generate import sql as generation
from premade.offline.snapshot import sql as snapshots
from premade.orders.lookup import sql as orders
from premade.partners.keyring import sql as keys
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
    "changed_tickets": (snapshots.changed_tickets, {"audit_events_by_transaction", "ticket_code_taken"}),
    "order_by_id": (orders.order_by_id, {"ota_orders_by_partner"}),
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
