"""On tables that are spread by partner, a statement says which partner it is about in each table that it touches.

Then Citus sends it to one server. Citus looks for the same as PostgreSQL's planner does for hash partitions: a comparison of
the key with a value that is known during planning.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from contract.test_plans import nodes
from contract.test_statements import STATEMENTS, Described
from support.postgres import own_database
from support.spread import PARTITIONS, spread

from premade.postgres.pool import SESSION_SETTINGS
from premade.postgres.statements import Statement

PARTNER = 7
NOW = datetime.now(UTC)
OF_NAME: dict[str, Any] = {
    "zone": "UTC",
    "partner_id": PARTNER,
    "only_partner_id": PARTNER,
    "partner_ids": [PARTNER],
    # With other values the planner would see that no row can match.
    "from_event_id": 1,
    "oldest_id": "",
    "after": "",
    "last_code": "Z",
    "created_from": NOW - timedelta(days=1),
    "starts_at": NOW - timedelta(days=1),
    "ends_at": NOW + timedelta(days=1),
}
VALUES: dict[str, Any] = {
    "bigint": 1000,
    "bigint[]": [1000],
    "double precision": 1.0,
    "bytea[]": [b""],
    "boolean": True,
    "bytea": b"",
    "date": NOW.date(),
    "integer": 1,
    "integer[]": [1],
    "interval": timedelta(days=1),
    "jsonb": "[]",
    "numeric": Decimal(1),
    "smallint": 1,
    "text": "ACTIVE",
    "text[]": ["ACTIVE"],
    "interval[]": [timedelta(days=1)],
    "timestamp with time zone[]": [NOW],
    "timestamp with time zone": NOW,
    "uuid": UUID(int=0),
    "xid8": "1",
}
PART = re.compile(r"(.+?)(?:_\d{4}_\d\d|_default|_before_months)?_(\d+)")
"""Name of a hash partition. A table may also be partitioned by month."""
TABLE = re.compile(
    r"\b(?:FROM|JOIN|UPDATE|DELETE FROM) (pre_generated_tickets|ota_orders|batches|audit_events|ticket_deltas)\b"
)
UPDATE = re.compile(
    r"UPDATE (?:pre_generated_tickets|ota_orders|batches)\b(.*?)(?:\bRETURNING\b|\n\)|\Z)", re.DOTALL
)
OPERATOR = "the operator sees all partners"
GATE = "a gate of the operator knows the code only"
BACKGROUND = "a background job looks for work of all partners"
OF_ALL = {
    "audit.actors_but_keys": OPERATOR,
    "audit.all_events": OPERATOR,
    "audit.events_of_actors": OPERATOR,
    "audit.events_of_no_ticket": OPERATOR,
    "audit.newest_event": OPERATOR,
    "audit.record_customer_views": OPERATOR,
    "audit.recorded_at": OPERATOR,
    "batches.batches_of_all": OPERATOR,
    "batches.issued_of_product": OPERATOR,
    "customers.count_orders_of_email": OPERATOR,
    "customers.due_orders": BACKGROUND,
    "customers.erased_orders": OPERATOR,
    "customers.lock_orders": "the operator and a background job know order ids of all partners",
    "customers.lock_orders_of_email": OPERATOR,
    "customers.orders_of_email": OPERATOR,
    "expiry.due": BACKGROUND,
    "generation.unfinished": BACKGROUND,
    "monitoring.forget_old_days": BACKGROUND,
    "monitoring.forget_old_spans": BACKGROUND,
    "monitoring.generated": OPERATOR,
    "monitoring.partners_with_deltas": BACKGROUND,
    "monitoring.stock": OPERATOR,
    "offline.cursor_state": "the newest event of all, to notice a restore",
    "offline.moment": "the newest event of all, to notice a restore",
    "redemption.partners_of_tickets": GATE,
    "tickets.orders_of_email": OPERATOR,
    "tickets.orders_of_payment": OPERATOR,
    "tickets.orders_of_phone": OPERATOR,
    "orders.partner_of_order": OPERATOR,
    "orders.partner_of_ticket": OPERATOR,
    "tickets.set_key_of_unfinished_batches": "after a restore, for the batches of all partners",
    "event_archive.unfinished_batch": OPERATOR,
    "tickets.tickets_with_tokens_of": "all tickets that a signing key has signed",
}
"""Statements that read every hash partition, and the reason."""


def without_comments(statement: Statement[..., Any]) -> str:
    return re.sub(r"--.*", "", statement.text.decode())


def part_of(connection: psycopg.Connection[Any], partner_id: int) -> int:
    """Return the number of the hash partition that has the rows of the partner."""
    row = connection.execute(
        b"""
        SELECT part FROM generate_series(0, $1::integer - 1) AS part
        WHERE satisfies_hash_partition('pre_generated_tickets'::regclass, $1, part, $2::bigint)
        """,
        [PARTITIONS, partner_id],
    ).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture(scope="module")
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with own_database(dsn) as own:
        spread(own)
        with psycopg.connect(own, autocommit=True, cursor_factory=psycopg.RawCursor) as opened:
            opened.execute(SESSION_SETTINGS)
            yield opened


def parts_of(connection: psycopg.Connection[Any], statement: Statement[..., Any]) -> dict[str, set[int]]:
    """Return the numbers of the hash partitions that the plan for PARTNER reads or writes, by table."""
    types = Described(connection, statement).parameters
    values = [OF_NAME.get(name, VALUES[kind]) for name, kind in zip(statement.parameters, types, strict=True)]
    row = connection.execute(b"EXPLAIN (FORMAT JSON) " + statement.text, values).fetchone()
    assert row is not None
    parts: dict[str, set[int]] = defaultdict(set)
    for node in nodes(row[0][0]["Plan"]):
        for target in [node, *node.get("Target Tables", [])]:
            if part := PART.fullmatch(target.get("Relation Name", "")):
                parts[part[1]].add(int(part[2]))
    return parts


@pytest.mark.parametrize(
    "statement",
    [statement for statement in STATEMENTS if TABLE.search(without_comments(statement))],
    ids=lambda statement: statement.name,
)
def test_a_statement_about_a_partner_touches_one_part_of_each_table(
    connection: psycopg.Connection[Any], statement: Statement[..., Any]
) -> None:
    parts = parts_of(connection, statement)

    assert {*TABLE.findall(without_comments(statement))} <= parts.keys(), "no row can match these values"
    touched = set[int]().union(*parts.values())
    if statement.name in OF_ALL:
        assert len(touched) == PARTITIONS, "it need not be in OF_ALL"
    else:
        assert touched == {part_of(connection, PARTNER)}


def test_no_change_of_a_spread_table_calls_a_volatile_function(connection: psycopg.Connection[Any]) -> None:
    """Citus refuses such a call in an UPDATE: it could return another value on each server."""
    rows = connection.execute(
        b"SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND provolatile = 'v'"
    ).fetchall()
    volatile = re.compile(rf"\b({'|'.join(name for (name,) in rows)})\b")
    changes = [
        (statement.name, change)
        for statement in STATEMENTS
        for change in UPDATE.findall(without_comments(statement))
    ]

    assert len(changes) > 10
    assert [(name, volatile.findall(change)) for name, change in changes if volatile.search(change)] == []


def test_every_table_with_a_partner_is_spread_or_stays_on_one_server_for_a_reason(
    connection: psycopg.Connection[Any],
) -> None:
    rows = connection.execute(
        b"""
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'partner_id'
        WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
        """
    ).fetchall()

    assert {name for (name,) in rows} == {
        "partners",  # the same rows on every server
        "partner_limits",  # read with the API key
        "long_reads",  # a few unlogged rows
        "reservations",  # of the stock that all partners of a channel share
        "api_keys", "gate_counts", "gate_devices", "refusal_days",  # also of the operator
    }  # fmt: skip
