"""The place of a measurement: a database with tickets, and the service on it."""

import hashlib
import json
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg
from psycopg import RawCursor
from psycopg.conninfo import make_conninfo
from rich.progress import track
from support.processes import workers_of
from support.service import Service, environment_for, running_service
from support.shop import PARTNER_PERMISSIONS, Seller, Shop
from support.signing_seeds import seeds_of

from premade.bootstrap import bring_up_to_date
from premade.postgres.migrations import migrations
from premade.postgres.statements import SqlFile
from premade.runtime.clock import Runtime
from premade.tickets.code import Signer, ticket_code
from premade.tickets.listing import BY_TIME

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "var" / "bench"
SQL = SqlFile(Path(__file__).with_name("stock.sql"))

WORKERS = 2
_HIGH_LIMITS = {
    f"PREMADE_RATE_LIMIT_{name}": "100000000" for name in ("GENERATE", "ACTIVATE", "READ", "GATE")
}
"""One API key sends the whole load. The limits are so high that it does not reach them, but they are counted."""
STOCK = 2_000_000_000
TEN_MILLION = 10_000_000
DEADLOCKS_MAX = 5
TICKETS_A_TURN = 250_000
READ_BYTES = 2**20
PLACE_ON_DISK = (
    "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
)
# Coprime to the five million unused tickets: steps of this size visit each of them once, far from the one before.
STRIDE = 3_090_169


@dataclass(frozen=True)
class Sales:
    """How tickets are filled in that are sold: every second one.

    The events are spread evenly over the time from `starts_at` to `ends_at`, in the order of all `tickets`.
    """

    tickets: int
    starts_at: datetime
    ends_at: datetime
    phones: int
    """Number of different phone numbers."""


def sales_of_one_moment() -> Sales:
    """Return sales of 20 days ago. All customers have the same phone number, the hardest one to search for."""
    then = datetime.now(UTC) - timedelta(days=20)
    return Sales(1, then, then, 1)


@dataclass
class Place:
    """A database with its service. Tickets are numbered; all below `next_ticket` exist or existed."""

    dsn: str
    service: Service
    seller: Seller
    gate_key: str
    processes: list[psutil.Process]
    next_ticket: int = 0
    old_turns: int = 0
    """Number of turns that used old tickets of the ten million."""
    note: Path | None = None
    """File of these two numbers, for the database that is kept between runs."""

    def keep_in(self, note: Path) -> None:
        """Continue with the numbers in the file, and keep them there."""
        known = json.loads(note.read_text())
        self.next_ticket, self.old_turns, self.note = known["next_ticket"], known["old_turns"], note

    def _keep(self) -> None:
        """Write the numbers, before the tickets are used: after a killed run the next one must not use them again."""
        if self.note:
            used = {"next_ticket": self.next_ticket, "old_turns": self.old_turns}
            new = self.note.with_suffix(".new")
            new.write_text(json.dumps({**json.loads(self.note.read_text()), **used}))
            new.replace(self.note)

    def take_old_turn(self) -> int:
        """Return the number of the next turn that uses old tickets."""
        self.old_turns += 1
        self._keep()
        return self.old_turns - 1

    def last_event(self) -> int:
        """Return the id of the newest audit event."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            [[event_id]] = _run(connection, "last_event")
        return event_id

    def sales_after(self, event_id: int) -> int:
        """Return the number of activations in the audit record since this event."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            [[sales]] = _run(connection, "sales_after", event_id=event_id)
        return sales

    def fill(self, count: int) -> int:
        """Add unused tickets. Return the number of the first."""
        first, self.next_ticket = self.next_ticket, self.next_ticket + count
        self._keep()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            add_tickets(connection, self.seller, first, count)
        return first

    def fill_sold(self, count: int) -> int:
        """Add sold tickets. Return the number of the first; every second number from it is one."""
        first = self.next_ticket + self.next_ticket % 2
        self.next_ticket = first + 2 * count
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            # Without triggers: one of them refuses a new ticket that is sold.
            connection.execute("SET session_replication_role = replica")
            add_tickets(connection, self.seller, first, 2 * count, sales_of_one_moment())
        return first

    def tokens(self, first: int, count: int) -> Iterator[str]:
        """Return the QR tokens of every second ticket from `first` on."""
        signer = next(
            Signer.of(key_id, seed) for key_id, seed in seeds_of(self.dsn).items() if key_id.startswith("K")
        )
        return (
            signer.token(ticket_code("CRUISE", 2025, "FERRY", number), 1)
            for number in range(first, first + 2 * count, 2)
        )

    def redeemed(self, first: int, count: int) -> int:
        """Return how many of these tickets were redeemed."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            [[tickets]] = _run(
                connection, "redeemed", partner_id=self.seller.partner_id, first=first, count=count
            )
        return tickets

    def empty(self) -> None:
        """Remove all tickets. Without triggers, which refuse it; only a superuser can do this."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            # The service rolls up its counts every few seconds, and locks these tables in another order.
            for _ in range(DEADLOCKS_MAX):
                with suppress(psycopg.errors.DeadlockDetected):
                    connection.execute(SQL.numbered("empty")[0])
                    return
            connection.execute(SQL.numbered("empty")[0])

    def vacuum(self) -> None:
        """Vacuum now, so that autovacuum does not run during a measurement."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def warm(self) -> None:
        """Read all files of the database once, so that they are in the machine's memory, as in use."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            [[folder, database]] = connection.execute(PLACE_ON_DISK).fetchall()
        buffer = bytearray(READ_BYTES)
        for file in (Path(folder) / "base" / str(database)).iterdir():
            with file.open("rb", buffering=0) as opened:
                while opened.readinto(buffer):
                    pass

    def checkpoint(self) -> None:
        """Start a checkpoint now, so that none comes during a measurement."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def activated(self, first: int, count: int) -> int:
        """Return how many of these tickets are sold."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            [[tickets]] = _run(
                connection, "activated", partner_id=self.seller.partner_id, first=first, count=count
            )
        return tickets

    def cursors(self, count: int) -> list[str]:
        """Return cursors of pages of the list of tickets, all over the table."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            rows = _run(
                connection, "places", partner_id=self.seller.partner_id, below=self.next_ticket, count=count
            )
        return [BY_TIME.cursor(BY_TIME.key(created_at, ticket_id)) for created_at, ticket_id in rows]

    def cpu_seconds(self) -> float:
        """Return the CPU time of the service: its parent and its workers."""
        times = [process.cpu_times() for process in self.processes]
        return sum(time.user + time.system for time in times)

    def worker_mebibytes(self) -> float:
        """Return the resident memory of the largest worker, in MiB."""
        return max(process.memory_info().rss for process in self.processes[1:]) / 2**20


def _run(connection: psycopg.Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    text, parameters = SQL.numbered(statement)
    cursor = RawCursor(connection).execute(text, [values[name] for name in parameters])
    return cursor.fetchall() if cursor.description is not None else []


def add_tickets(
    connection: psycopg.Connection, seller: Seller, first: int, count: int, sales: Sales | None = None
) -> None:
    """Add tickets. With `sales`, every second one is sold."""
    where = {
        "partner_id": seller.partner_id,
        "product_id": seller.product_id,
        "first": first,
        "count": count,
    }
    _run(connection, "batches", channel=seller.channel, **where)
    if sales:
        values = {**where, **asdict(sales)}
        _run(connection, "orders", **values)
        _run(connection, "events", **values)
    _run(connection, "tickets", half_sold=sales is not None, **where)


def add_others(dsn: str, seller: Seller, count: int, sales: Sales) -> None:
    """Add events of the batches of so many tickets, and redemptions of every second sold one."""
    values = {"partner_id": seller.partner_id, "first": 0, "count": count, **asdict(sales)}
    with psycopg.connect(dsn, autocommit=True) as connection:
        _run(connection, "generations", **values)
        _run(connection, "redemptions", **values)
        connection.execute("VACUUM ANALYZE")


def make_database(server: str, name: str) -> str:
    """Create a database with the current schema. Return its DSN."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(server, dbname=name)
    bring_up_to_date(dsn, Runtime(ZoneInfo("UTC")))
    return dsn


def fill(dsn: str, tickets: int, sales: Sales | None = None) -> Seller:
    """Add a seller and so many tickets, every second one sold. Return the seller."""
    seller = Shop(dsn, "http://nowhere").seller(stock=STOCK)
    sales = sales or sales_of_one_moment()
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Without triggers and foreign keys, for speed. The rows are as these would allow.
        connection.execute("SET session_replication_role = replica")
        turns = range(0, tickets, TICKETS_A_TURN)
        for first in track(turns, f"{tickets:,} tickets", disable=not sys.stderr.isatty()):
            add_tickets(connection, seller, first, min(TICKETS_A_TURN, tickets - first), sales)
        _run(
            connection,
            "totals",
            partner_id=seller.partner_id,
            product_id=seller.product_id,
            unused=tickets // 2,
        )
        connection.execute("UPDATE allotments SET issued = %s", [tickets])
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return seller


def ten_million(server: str, note: Path) -> str:
    """Return the DSN of the database with ten million tickets, every second one sold. Create it for new migrations."""
    # The service refuses a database whose migrations differ from its own, even if the schema is the same.
    sources = [*(migration.sql for migration in migrations()), (ROOT / "bench" / "stock.sql").read_bytes()]
    made_of = hashlib.sha256(b"".join(sources)).hexdigest()
    if note.exists() and (known := json.loads(note.read_text()))["made_of"] == made_of:
        return make_conninfo(server, dbname=known["name"])
    note.unlink(missing_ok=True)
    dsn = make_database(server, "ten_million")
    fill(dsn, TEN_MILLION)
    note.write_text(
        json.dumps({"made_of": made_of, "name": "ten_million", "next_ticket": TEN_MILLION, "old_turns": 0})
    )
    return dsn


def _seller_of(shop: Shop) -> Seller:
    """Return the seller of the database with a new API key, or a new seller."""
    rows = shop.sql("SELECT p.*, product_id FROM partners p JOIN allotments USING (channel)")
    if not rows:
        return shop.seller(stock=STOCK)
    [row] = rows
    key = shop.key(row["name"], PARTNER_PERMISSIONS)
    client = shop.client(key.key)
    return Seller(row["name"], row["partner_id"], row["channel"], row["product_id"], key.key, key.id, client)


@contextmanager
def service_on(dsn: str, log: Path) -> Generator[Place]:
    """Start the service as in production, and yield the place."""
    with running_service(environment_for(dsn, None, **_HIGH_LIMITS), log, workers=WORKERS) as service:
        shop = Shop(dsn, service.url)
        seller = _seller_of(shop)
        gate_key = shop.key(seller.name, ["gate:redeem"]).key
        parent = psutil.Process(service.process.pid)
        workers = workers_of(parent)
        if len(workers) != WORKERS:
            sys.exit(f"{len(workers)} workers run, not {WORKERS}")
        yield Place(dsn, service, seller, gate_key, [parent, *workers])
