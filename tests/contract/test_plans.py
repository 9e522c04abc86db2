"""Plans of the hot statements: by which indexes they reach their rows, from the empty installation on."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from support.growth import analyse, grow
from support.postgres import own_database
from support.shop import Shop

from premade.activation.activate import Activator
from premade.activation.activate import sql as activation
from premade.activation.activation import Activation
from premade.activation.order import sql as several
from premade.audit.idempotency import sql as receipts
from premade.audit.views import sql as views
from premade.batches.lookup import sql as batches
from premade.batches.stop import sql as stopping
from premade.cancellation.cancel import sql as cancellation
from premade.cancellation.cancel_batch import sql as batch_cancellation
from premade.console.audit.search import sql as audit
from premade.console.tickets.search import sql as console
from premade.expiry.expire import sql as expiry
from premade.export.rows import sql as exports
from premade.generation.generate import sql as generation
from premade.generation.large import sql as large
from premade.limits.long_reads import sql as long_reads
from premade.limits.rate_limits import sql as leases
from premade.offline.snapshot import sql as snapshots
from premade.orders import owner_sql as owner
from premade.orders.lookup import sql as orders
from premade.partners.keyring import Caller
from premade.partners.keyring import sql as keys
from premade.postgres.database import open_database
from premade.postgres.pool import SESSION_SETTINGS
from premade.postgres.statements import Statement, row_factory_of
from premade.redemption.inspect import sql as inspect
from premade.redemption.manual import sql as manual
from premade.redemption.redeem import sql as redemption
from premade.redemption.sync import sql as sync
from premade.reissue.reissue import sql as reissue
from premade.staff.member import sql as staff
from premade.staff.session import sql as sessions
from premade.stock.allotment import sql as stock
from premade.stock.hold import sql as holds
from premade.stock.lookup import sql as reservation_reads
from premade.stock.release import sql as releases
from premade.stock.reserve import sql as reservations
from premade.throttle.attempts import sql as attempts
from premade.tickets.listing import sql as listing
from premade.tickets.lookup import TicketUnknown
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
            "products_pkey", "allotments_pkey", "batch_id_taken", "product_functions_pkey", "reservations_not_ended",
            "reservations_by_partner",
        },
    ),
    "batch_of_key": (generation.batch_of_key, {"batches_idempotency_key_taken"}),
    "write": (generation.write, {"allotments_pkey", "reservations_by_partner"}),
    "large_batch": (large.large_batch, {"batch_id_taken", "products_pkey", "signing_keys_pkey"}),
    "unfinished": (large.unfinished, {"batches_being_made", "audit_events_by_batch", "signing_keys_pkey"}),
    "write_tickets": (large.write_tickets, {"batch_id_taken", "signing_keys_pkey"}),
    "stop_generation": (stopping.stop_generation, {"batch_id_taken", "allotments_pkey"}),
    "look_at_stock": (
        reservations.look_at_stock,
        {"partners_pkey", "products_pkey", "allotments_pkey", "reservations_not_ended"},
    ),
    "reservation_of_key": (reservations.reservation_of_key, {"reservations_idempotency_key_taken"}),
    "reserve": (reservations.reserve, {"allotments_pkey"}),
    "release": (releases.release, {"allotments_pkey", "reservations_by_partner"}),
    "reservation_by_id": (reservation_reads.reservation_by_id, {"reservations_by_partner"}),
    "reservations_of_partner": (reservation_reads.reservations_of_partner, {"reservations_by_partner"}),
    "wait_for_allotment": (holds.wait_for_allotment, {"allotments_pkey"}),
    "expire_holds": (holds.expire, {"allotments_pkey", "reservations_not_ended"}),
    "holds_of_product": (holds.holds_of_product, {"reservations_not_ended", "partners_pkey"}),
    "hold_to_release": (holds.hold_to_release, {"reservations_pkey", "partners_pkey"}),
    "keys_by_prefix": (keys.keys_by_prefix, {"api_keys_prefix_taken", "partners_pkey", "partner_limits_pkey"}),
    "lease": (leases.lease, {"rate_buckets_pkey"}),
    "take_place": (long_reads.take_place, {"long_reads_pkey"}),
    "renew_places": (long_reads.renew_places, {"long_reads_pkey"}),
    "leave_place": (long_reads.leave_place, {"long_reads_pkey"}),
    "lock_order": (cancellation.lock_order, {"ota_orders_by_partner"}),
    "cancel": (
        cancellation.cancel,
        {"pre_generated_tickets_pkey", "ticket_code_taken", "ota_orders_by_partner", "allotments_pkey"},
    ),
    "wait_for_unused": (batch_cancellation.wait_for_unused, {"tickets_by_batch"}),
    "cancel_unused": (
        batch_cancellation.cancel_unused,
        {"tickets_by_batch", "pre_generated_tickets_pkey", "allotments_pkey"},
    ),
    "count_by_state": (batch_cancellation.count_by_state, {"tickets_by_batch", "audit_events_by_ticket"}),
    "event_of_key": (receipts.event_of_key, {"audit_keys_pkey", "audit_events_pkey"}),
    "ticket_to_reissue": (reissue.ticket_to_reissue, {"ticket_code_taken"}),
    "reissue": (reissue.reissue, {"pre_generated_tickets_pkey"}),
    "due": (expiry.due, {"batches_to_expire"}),
    "expire": (expiry.expire, {"tickets_by_batch", "pre_generated_tickets_pkey", "allotments_pkey"}),
    "redeem": (
        redemption.redeem,
        {
            "ticket_code_taken", "audit_keys_pkey", "audit_events_pkey", "pre_generated_tickets_pkey", "audit_events_by_ticket",
            "partners_pkey",
        },
    ),
    "wait_to_redeem": (redemption.wait_for_ticket, {"ticket_code_taken"}),
    "ticket_at_gate": (
        inspect.ticket_at_gate,
        {"ticket_code_taken", "products_pkey", "ota_orders_by_partner", "audit_events_by_ticket", "partners_pkey"},
    ),
    "customer_phone": (manual.customer_phone, {"ticket_code_taken", "ota_orders_by_partner"}),
    "lock_tickets": (sync.lock_tickets, {"ticket_code_taken"}),
    "earlier_conflicts": (sync.earlier_conflicts, {"ticket_code_taken", "audit_keys_pkey", "audit_events_pkey"}),
    "ticket_by_code": (tickets.ticket_by_code, {"ticket_code_taken"}),
    "changed_tickets": (snapshots.changed_tickets, {"audit_events_by_transaction", "ticket_code_taken", "partners_pkey"}),
    "order_by_id": (orders.order_by_id, {"ota_orders_by_partner"}),
    "order_of_key": (several.order_of_key, {"ota_orders_idempotency_key_taken", "ticket_code_taken"}),
    "tickets_as_sold": (
        several.tickets_as_sold,
        {"ota_orders_by_partner", "ticket_code_taken", "batch_id_taken", "audit_events_by_ticket"},
    ),
    "wait_for_batch": (several.wait_for_batch, {"batch_id_taken"}),
    "free_tickets": (several.free_tickets, {"tickets_by_batch"}),
    "unused_tickets": (several.unused_tickets, {"tickets_by_batch"}),
    "listed_tickets": (several.listed_tickets, {"ticket_code_taken", "ota_orders_by_partner"}),
    "sell": (several.sell, {"pre_generated_tickets_pkey"}),
    "ticket_with_history": (
        tickets.ticket_with_history,
        {"ticket_code_taken", "audit_events_by_ticket", "audit_events_by_batch", "batch_id_taken", "audit_archives_pkey"},
    ),
    "tickets_by_time": (listing.tickets_by_time, {"tickets_by_time"}),
    "tickets_of_batch": (listing.tickets_of_batch, {"tickets_by_batch"}),
    "tickets_of_payment": (listing.tickets_of_payment, {"ota_orders_by_payment", "ticket_code_taken"}),
    "batch_by_id": (batches.batch_by_id, {"batch_id_taken", "tickets_by_batch"}),
    "batches_by_time": (batches.batches_by_time, {"batches_by_partner", "tickets_by_batch"}),
    "orders_by_id": (orders.orders_by_id, {"ota_orders_by_partner"}),
    "orders_of_payment": (orders.orders_of_payment, {"ota_orders_by_payment"}),
    "inventory_of_partner": (
        stock.inventory_of_partner,
        {"partners_pkey", "allotments_pkey", "products_pkey", "reservations_not_ended"},
    ),
    "products_of_partner": (
        stock.products_of_partner, {"partners_pkey", "allotments_pkey", "products_pkey", "product_functions_pkey", "function_names_pkey"}
    ),
    "batches_of_all": (batches.batches_of_all, {"batches_by_time", "tickets_by_batch"}),
    "partner_of_ticket": (owner.partner_of_ticket, {"ticket_code_taken", "partners_pkey", "products_pkey"}),
    "partner_of_order": (owner.partner_of_order, {"ota_orders_by_partner", "partners_pkey"}),
    "orders_of_email": (console.orders_of_email, {"ota_orders_by_email", "partners_pkey"}),
    "orders_of_phone": (console.orders_of_phone, {"ota_orders_by_phone", "partners_pkey"}),
    "console_orders_of_payment": (console.orders_of_payment, {"ota_orders_by_payment", "partners_pkey"}),
    "tickets_of_order": (console.tickets_of_order, {"ticket_code_taken", "products_pkey"}),
    "batch_to_export": (
        exports.batch_to_export,
        {"batch_id_taken", "products_pkey", "partners_pkey", "tickets_by_batch"},
    ),
    "tickets_to_export": (exports.tickets_to_export, {"tickets_by_batch"}),
    "codes_at": (exports.codes_at, {"tickets_by_batch"}),
    "record_export": (exports.record_export, {"batch_id_taken"}),
    "newest_event": (audit.newest_event, {"audit_events_pkey"}),
    "recorded_at": (audit.recorded_at, {"audit_events_pkey"}),
    "all_events": (audit.all_events, {"audit_events_pkey"}),
    "events_of_no_ticket": (audit.events_of_no_ticket, {"audit_events_of_no_ticket"}),
    "actors_but_keys": (audit.actors_but_keys, {"audit_events_by_actor"}),
    "events_of_actors": (audit.events_of_actors, {"audit_events_by_actor"}),
    "record_qr_view": (views.record_qr_view, set()),
    "record_customer_views": (views.record_customer_views, {"ota_orders_by_partner"}),
    "events_of_batch": (audit.events_of_batch, {"audit_events_by_batch"}),
    "events_of_tickets": (audit.events_of_tickets, {"audit_events_by_ticket"}),
    "staff_by_name": (staff.by_name, {"staff_name_taken"}),
    "member_by_session": (sessions.member_by_session, {"staff_sessions_pkey", "staff_pkey"}),
    "sweep_sessions": (sessions.sweep_sessions, {"staff_sessions_by_expiry"}),
    "close_sessions": (sessions.close_sessions, {"staff_sessions_by_staff"}),
    "count_sessions": (sessions.count_sessions, {"staff_sessions_by_staff"}),
    "known_browser": (sessions.known_browser, {"staff_browsers_pkey"}),
    "forget_browsers": (sessions.forget_browsers, {"staff_browsers_by_staff"}),
    "take_back": (attempts.take_back, {"attempts_pkey"}),
    "sweep": (attempts.sweep, {"attempts_by_end", "attempts_pkey"}),
}  # fmt: skip


SAME_ROW = {"ota_orders_pkey": "ota_orders_by_partner"}
"""Either finds an order by its id at once."""
GROWING = {"pre_generated_tickets", "ota_orders", "audit_events", "batches", "reservations"}
"""Tables that grow with the sales. Of the others, such as products, a plan may read all of the few rows."""
WITHOUT_AUTOVACUUM = """
DO $$ DECLARE name regclass; BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name);
    END LOOP;
END $$
"""
OF_PARTITIONS = {"starts_at": "'-infinity'", "ends_at": "'infinity'"}
"""Values of parameters that select partitions. With others, the plan would read none."""
PARENTS = """
SELECT child.relname, parent.relname FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
"""
EMPTY_PARTITIONS = (
    "SELECT table_name FROM audit_months WHERE starts_at > now() UNION ALL SELECT 'audit_events_default'"
)
SOME_STAFF = """
INSERT INTO staff (name, password_digest, role, created_at)
SELECT 'member-' || n, '$argon2id$none', 'gate', now() FROM generate_series(1, 20) AS n;
INSERT INTO staff_sessions (digest, staff_id, created_at, last_seen_at, expires_at)
SELECT sha256((staff_id || '-' || n)::bytea), staff_id, now(), now(), now() + interval '1 day'
FROM staff, generate_series(1, 3) AS n;
INSERT INTO staff_browsers (digest, staff_id, created_at, expires_at)
SELECT digest, staff_id, created_at, expires_at FROM staff_sessions
"""
Plan = list[dict[str, Any]]
"""The nodes of a plan."""
DATABASE_CONNECTIONS = 8
"""Enough for a pool of micro-batches of its own."""


@dataclass(frozen=True)
class PlanCounts:
    """How often a prepared statement was executed with the plan for all parameters, and with one for its own."""

    generic_plans: int
    custom_plans: int


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


class Session:
    """A connection as the service has them. It prepares each statement once, and then keeps its plan."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute(SESSION_SETTINGS)
        # As after many executions: planned without knowing the values.
        connection.execute("SET plan_cache_mode = force_generic_plan")
        self._empty = {name for (name,) in connection.execute(EMPTY_PARTITIONS)}
        self._parents: dict[str, str] = dict(connection.execute(PARENTS).fetchall())
        for name, (statement, _) in PLANS.items():
            connection.execute(f"PREPARE {name} AS ".encode() + statement.text)

    def plans(self) -> dict[str, Plan]:
        return {name: self._plan(name, statement.parameters) for name, (statement, _) in PLANS.items()}

    def _plan(self, name: str, parameters: tuple[str, ...]) -> Plan:
        values = ", ".join(OF_PARTITIONS.get(parameter, "NULL") for parameter in parameters)
        values = f"({values})" if parameters else ""
        row = self._connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{values}".encode()).fetchone()
        assert row is not None
        return [self._of_whole_tables(node) for node in nodes(row[0][0]["Plan"])]

    def _of_whole_tables(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return the node with the names of the table and index whose partitions it reads."""
        return {"Is Empty": node.get("Relation Name") in self._empty} | {
            key: self._parents.get(value, value) if key in {"Relation Name", "Index Name"} else value
            for key, value in node.items()
        }


@pytest.fixture(scope="module")
def plans(dsn: str) -> Iterator[dict[str, dict[str, Plan]]]:
    """The plans that one session has while its installation grows, by the age of its tables.

    "young": empty. "kept": grown, and nobody has analysed a table. "grown": the service has analysed what has grown.
    "analysed": so has autovacuum, everything.
    """
    with own_database(dsn) as own, psycopg.connect(own, autocommit=True) as connection:
        connection.execute(WITHOUT_AUTOVACUUM)
        session = Session(connection)
        found = {"young": session.plans()}
        grow(own, partners=10, selling=3, batches=2, sales=400)
        connection.execute(SOME_STAFF)
        assert connection.execute("SELECT FROM pg_stats WHERE schemaname = 'public'").fetchall() == []
        found["kept"] = session.plans()
        [month] = connection.execute(
            "SELECT table_name FROM audit_months ORDER BY starts_at LIMIT 1"
        ).fetchone() or [None]
        assert set(analyse(own)) == {"pre_generated_tickets", "ota_orders", month}
        # It has few rows, so the service has not analysed it.
        connection.execute("ANALYZE reservations")
        found["grown"] = session.plans()
        connection.execute("ANALYZE")
        found["analysed"] = session.plans()
        yield found


def indexes_of(plan: Plan) -> set[str]:
    names = [str(node["Index Name"]) for node in plan if "Index Name" in node]
    return {SAME_ROW.get(name, name) for name in names}


@pytest.mark.parametrize("age", ["grown", "analysed"])
@pytest.mark.parametrize("name", PLANS)
def test_a_hot_statement_reaches_its_rows_by_its_indexes(
    plans: dict[str, dict[str, Plan]], name: str, age: str
) -> None:
    plan = plans[age][name]

    assert [node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"] == []
    assert indexes_of(plan) == PLANS[name][1]
    # No index is read whole: each has a condition. The partition of a month that has not begun is empty, so the service analyses
    # it later.
    whole = [
        node for node in plan if "Index Name" in node and "Index Cond" not in node and not node["Is Empty"]
    ]
    assert [node["Index Name"] for node in whole if node["Relation Name"] in GROWING] == []


@pytest.mark.parametrize("name", PLANS)
def test_on_an_empty_installation_no_table_is_read_whole(
    plans: dict[str, dict[str, Plan]], name: str
) -> None:
    """An index of the partner may do instead of a unique one: the service analyses a table before it is large."""
    plan = plans["young"][name]

    assert [node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"] == []
    assert [node["Index Name"] for node in plan if "Index Name" in node and "Index Cond" not in node] == []


def test_a_plan_is_kept_until_somebody_analyses(plans: dict[str, dict[str, Plan]]) -> None:
    """Otherwise the tests above would hold whether or not the service analyses anything."""
    assert plans["kept"] == plans["young"]
    assert plans["kept"]["ticket_by_code"] != plans["grown"]["ticket_by_code"]


def test_an_activation_looks_its_ticket_up_once(plans: dict[str, dict[str, Plan]]) -> None:
    """A second time only if it found none that is free: whether there is one at all."""
    for age in ("grown", "analysed"):
        conditions = [node.get("One-Time Filter", "") for node in plans[age]["activate"]]
        assert any("ticket_id IS NULL" in condition for condition in conditions)


def test_a_micro_batch_keeps_one_plan_for_all_tickets(shop: Shop) -> None:
    """Otherwise PostgreSQL may plan each activation anew, once its tables have grown."""

    def declared(*, text: str) -> PlanCounts: ...

    counts_of_plans = Statement(
        "tests.counts_of_plans",
        b"SELECT generic_plans::integer, custom_plans::integer FROM pg_prepared_statements WHERE statement = $1",
        ("text",),
        declared,
        row_factory_of(PlanCounts),
    )

    async def activate_some() -> PlanCounts | None:
        async with open_database(shop.dsn, connections_max=DATABASE_CONNECTIONS) as database:
            activator = Activator(database, shop.runtime)
            for _ in range(8):
                with pytest.raises(TicketUnknown):
                    await activator.activate(
                        Activation(Caller(1, 1, "ota"), "r", "CRUISE-2025-FERRY-1", "n", "e", "p", "pay")
                    )
            async with database.for_batches.single_statement() as tx:
                return await tx.fetch_one(counts_of_plans, text=activation.activate.text.decode())

    counts = asyncio.run(activate_some())

    assert counts == PlanCounts(generic_plans=8, custom_plans=0)


def test_no_statement_is_compiled(dsn: str) -> None:
    """Nor one that has to read a table, of one row, without an index."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SESSION_SETTINGS)
        told = connection.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT current_incarnation() FROM database_incarnation"
        )
        row = told.fetchone()

    assert row is not None
    assert "JIT" not in row[0][0]
