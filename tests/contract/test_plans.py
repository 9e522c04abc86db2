"""How the hot statements reach their rows: by these indexes, on young tables as on grown ones."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.shop import Seller, unique

from premade.activation.activate import sql as activation
from premade.base.statements import Statement
from premade.base.work import SESSION_SETTINGS
from premade.generation.generate import sql as generation
from premade.orders.lookup import sql as orders
from premade.partners.keyring import sql as keys
from premade.stock.hold import sql as holds
from premade.stock.reserve import sql as reservations
from premade.tickets.lookup import sql as tickets

PLANS: dict[str, tuple[Statement, set[str]]] = {
    "activate": (
        activation.activate,
        {"ota_orders_idempotency_key_taken", "ticket_code_taken", "pre_generated_tickets_pkey", "ota_orders_by_partner"},
    ),
    "wait_for_ticket": (activation.wait_for_ticket, {"ticket_code_taken"}),
    "look": (
        generation.look,
        {
            "products_pkey", "allotments_pkey", "batch_id_taken", "batches_idempotency_key_taken", "product_functions_pkey",
            "reservations_not_ended", "reservations_by_partner",
        },
    ),
    "write": (generation.write, {"allotments_pkey", "reservations_by_partner"}),
    "look_at_stock": (
        reservations.look_at_stock,
        {"partners_pkey", "products_pkey", "allotments_pkey", "reservations_not_ended", "reservations_idempotency_key_taken"},
    ),
    "reserve": (reservations.reserve, {"allotments_pkey"}),
    "look_at_reservation": (reservations.look_at_reservation, {"reservations_by_partner", "audit_idempotency_key_taken"}),
    "release": (reservations.release, {"allotments_pkey", "reservations_by_partner"}),
    "reservation_by_id": (reservations.reservation_by_id, {"reservations_by_partner"}),
    "reservations_of_partner": (reservations.reservations_of_partner, {"reservations_by_partner"}),
    "wait_for_allotment": (holds.wait_for_allotment, {"allotments_pkey"}),
    "expire": (holds.expire, {"allotments_pkey", "reservations_not_ended"}),
    "key_by_prefix": (keys.key_by_prefix, {"api_keys_prefix_taken", "partners_pkey"}),
    "ticket_by_code": (tickets.ticket_by_code, {"ticket_code_taken"}),
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
                seller.hold(1, headers={"Idempotency-Key": unique("HOLD")})
            connection.execute("ANALYZE")
        used = list(nodes(plan_of(connection, statement)))

    assert [node["Relation Name"] for node in used if node["Node Type"] == "Seq Scan"] == []
    assert {node["Index Name"] for node in used if "Index Name" in node} == indexes
    # No index is read whole: each has a condition on what it is asked for.
    assert [node["Index Name"] for node in used if "Index Name" in node and "Index Cond" not in node] == []
