"""What reads and changes cost when the audit events have the partitions of 24 months, against one: `make month-cost`.

It prints a table of docs/scaling.md. The actions of the product run as they are. Each of their statements is also explained,
in the same session, after it has run there several times: PostgreSQL has then chosen whether it plans the statement once or
at each execution. Pages do not depend on other work on the machine. Times do.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier, Literal
from support.old_months import add_month, add_partition, months_ago
from support.shop import Seller, Shop
from support.taking_back import caller_of

from bench.place import Sales, add_others, fill, make_database
from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.audit.events import BatchGenerated, TicketCancellation
from premade.audit.idempotency import sql as receipts
from premade.console.audit.search import EventFilter, search_events
from premade.offline.snapshot import sql as snapshots
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, Transaction
from premade.postgres.embedded import embedded_postgres
from premade.postgres.pool import BATCH_SESSION_SETTINGS, LOCK_TIMEOUT_MS, SESSION_SETTINGS
from premade.postgres.statements import P, Row, Statement
from premade.redemption.inspect import Inspector
from premade.redemption.redeem import redeem_all
from premade.redemption.scan import Entry, PresentedTicket, Scan
from premade.runtime.clock import Runtime
from premade.runtime.logging import log_warnings_only
from premade.runtime.month import Month
from premade.tickets.code import ticket_code
from premade.tickets.lookup import ticket_with_history

MONTHS = 24
TICKETS = 400_000
EXECUTIONS = 8
"""How often each statement is explained. After 5 executions, PostgreSQL decides whether it keeps one plan."""
OF_BATCHES = {"activation", "redemption", "redemption that is refused"}
"""Actions whose statements run in the sessions for micro-batches."""
RUNTIME = Runtime(ZoneInfo("UTC"))
Explanation = dict[str, Any]
_FIRST_USE = """
UPDATE pre_generated_tickets t SET first_used_at = e.occurred_at FROM audit_events e
WHERE e.event = 'ticket.redeemed' AND e.ticket_code = t.ticket_code AND t.ticket_code = %s
"""


@dataclass
class Cost:
    """Cost of the statements of an action."""

    statements: int = 0
    pages: int = 0
    """Pages that were read, from the cache or the disk."""
    planning_ms: float = 0
    execution_ms: float = 0
    by_statement: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """The pages of each execution."""

    def add(self, statement: str, explained: Explanation) -> None:
        """Add the last of the explanations of a statement."""
        pages = explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
        self.statements += 1
        self.pages += pages
        self.planning_ms += explained["Planning Time"]
        self.execution_ms += explained["Execution Time"]
        self.by_statement.setdefault(statement, []).append(pages)


class Explained(Transaction):
    """A transaction that explains each statement before it executes it."""

    def __init__(self, connection: AsyncConnection[TupleRow], session: AsyncConnection[TupleRow]) -> None:
        """Each statement is prepared once in `session`, where it is explained."""
        super().__init__(connection)
        self._session = session
        self._names: dict[str, Identifier] = {}
        self.cost = Cost()

    async def fetch_all(self, statement: Statement[P, Row], *_: P.args, **values: P.kwargs) -> list[Row]:
        """Explain the statement, then return its rows."""
        name = self._names.get(statement.name)
        if name is None:
            name = self._names[statement.name] = Identifier(statement.name)
            await self._session.execute(SQL("PREPARE {} AS ").format(name) + SQL(statement.text.decode()))  # pyright: ignore[reportArgumentType]
        arguments = [Literal(value) for value in statement.arguments(values)]
        execute = SQL("EXECUTE {}").format(name)
        if arguments:
            execute += SQL("({})").format(SQL(", ").join(arguments))
        explained: Explanation = {}
        for _execution in range(EXECUTIONS):
            # A change is not kept, so that the next execution finds the same rows.
            async with self._session.transaction(force_rollback=True):
                cursor = await self._session.execute(
                    SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + execute
                )
                [[[explained]]] = await cursor.fetchall()
        self.cost.add(statement.name, explained)
        return await super().fetch_all(statement, *_, **values)


class _OneSession:
    """A database of one session, in the place of `Database`."""

    by_partner = False

    def __init__(self, tx: Explained) -> None:
        self._tx = tx
        self.for_batches = self

    def for_blocking_writes(self) -> "_OneSession":
        return self

    @asynccontextmanager
    async def single_statement(self) -> AsyncGenerator[Explained]:
        yield self._tx

    single_read = transaction = single_statement


Action = Callable[[Database, Transaction], Awaitable[object]]


def actions(seller: Seller, tickets: int) -> dict[str, Action]:
    """Return the actions, by their names in the table."""
    partner_id, middle = seller.partner_id, tickets // 8 * 4
    sold, unused = _code(middle), _code(middle + 1)
    gate = GateCaller("key:2", partner_id, frozenset(), key_id=2)
    old = months_ago(MONTHS // 2)

    def search(**filters: Any) -> Action:
        return lambda database, _: search_events(database, EventFilter(**filters), None)

    async def snapshot(_: Database, tx: Transaction) -> None:
        moment = await tx.fetch_one(snapshots.moment)
        assert moment is not None
        oldest_open, until = str(max(3, moment.oldest_open - 1)), str(moment.first_unseen)
        await tx.fetch_all(snapshots.cursor_state, event_id=moment.event_id, oldest_open=oldest_open)
        await tx.fetch_all(
            snapshots.changed_tickets, since=oldest_open, until=until, partner_id=partner_id, event_id=moment.event_id,
            is_test=False,
        )  # fmt: skip

    def scan(scan_id: str, code: str) -> Action:
        presented = PresentedTicket(code, 1)
        one = Scan(gate, "cost", presented, "ferry", 1, "GATE-1", scan_id, Entry.SCAN)
        return lambda _, tx: redeem_all(tx, RUNTIME, [one], LOCK_TIMEOUT_MS)

    def inspect(code: str) -> Action:
        return lambda database, _: Inspector(database, RUNTIME).inspect(gate, PresentedTicket(code, 1))

    sale = Activation(
        caller_of(seller), "cost", unused, "John Smith", "john@example.com", "+1234567890", "PAY", "once"
    )
    return {
        "ticket with its history": lambda database, _: ticket_with_history(database, partner_id, sold),
        "replay by Idempotency-Key": lambda _, tx: tx.fetch_all(
            receipts.event_of_key, partner_id=partner_id, operation="redeem", idempotency_key=_key(middle)
        ),
        "activation": lambda database, _: Activator(database, RUNTIME).activate(sale),
        "redemption": scan("new", _code(middle + 2)),
        "redemption that is refused": scan("new", unused),
        "inspection of an unused ticket": inspect(_code(middle + 2)),
        "inspection of a ticket that was used a year ago": inspect(sold),
        "snapshot of changes, without the tickets": snapshot,
        "audit page: newest events": search(),
        "audit page: a ticket": search(partner_id=partner_id, tickets=(sold,)),
        "audit page: a batch": search(partner_id=partner_id, batch_id=f"FILL-{middle // 100}"),
        "audit page: a member of staff": search(actor="staff:1"),
        "audit page: commands": search(actor="command"),
        "audit page: batches generated": search(event=BatchGenerated),
        "audit page: cancellations": search(event=TicketCancellation),
        "audit page: a month of last year": search(start=old.starts_at, before=old.ends_at),
        "audit page: since this month": search(start=Month.of(datetime.now(UTC)).starts_at),
    }


def _code(number: int) -> str:
    return ticket_code("CRUISE", 2025, "FERRY", number)


def _key(number: int) -> str:
    """Return the key of a redemption that is filled in."""
    return f"scan {number}"


async def explain(dsn: str, seller: Seller, tickets: int) -> dict[str, Cost]:
    """Run and explain the actions, each in a session of its own."""
    costs: dict[str, Cost] = {}
    for name, action in actions(seller, tickets).items():
        # Two, because psycopg forgets what is prepared in a session when it rolls back.
        async with (
            await AsyncConnection.connect(dsn, autocommit=True) as connection,
            await AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=None) as session,
        ):
            await session.execute(BATCH_SESSION_SETTINGS if name in OF_BATCHES else SESSION_SETTINGS)
            tx = Explained(connection, session)
            async with connection.transaction(force_rollback=True):
                await action(cast("Database", _OneSession(tx)), tx)
            costs[name] = tx.cost
    return costs


def filled(server: str, name: str, months: int, tickets: int) -> tuple[str, Seller]:
    """Create a database whose events of MONTHS months and the current one have so many partitions."""
    dsn = make_database(server, name)
    shop = Shop(dsn, "http://nowhere")
    if months == 1:
        with psycopg.connect(dsn, autocommit=True) as connection:
            tables = connection.execute("SELECT table_name FROM audit_months").fetchall()
            for (table,) in tables:
                connection.execute(SQL("DROP TABLE {}").format(Identifier(table)))
        add_partition(shop, "audit_events_before_months", "MINVALUE", Month.of(datetime.now(UTC)).next)
    else:
        for number in range(1, months + 1):
            add_month(shop, months_ago(number))
    sales = Sales(tickets, months_ago(MONTHS).starts_at, datetime.now(UTC), 10**8)
    seller = fill(dsn, tickets, sales)
    add_others(dsn, seller, tickets, sales)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_FIRST_USE, [_code(tickets // 8 * 4)])
    return dsn, seller


def main() -> None:
    log_warnings_only()
    parser = argparse.ArgumentParser()
    parser.add_argument("--tickets", type=int, default=TICKETS)
    parser.add_argument("--statements", action="store_true", help="show the pages of each statement too")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="premade-months-") as folder,
        embedded_postgres(
            Path(folder) / "postgres", settings={"fsync": "off", "autovacuum": "off"}
        ) as server,
    ):
        one, many = (
            asyncio.run(
                explain(*filled(server, f"months_{months}", months, arguments.tickets), arguments.tickets)
            )
            for months in (1, MONTHS)
        )
    print(
        "| | statements | pages: 1 month | 24 months | planning, ms | | execution, ms | |\n|---|---|---|---|---|---|---|---|"
    )
    for name, after in many.items():
        before = one[name]
        print(
            f"| {name} | {after.statements} | {before.pages:,} | {after.pages:,} | {before.planning_ms:.1f} | "
            f"{after.planning_ms:.1f} | {before.execution_ms:.1f} | {after.execution_ms:.1f} |"
        )
        if arguments.statements:
            for statement, pages in after.by_statement.items():
                print(f"    {statement}: {before.by_statement.get(statement)} {pages}")


if __name__ == "__main__":
    main()
