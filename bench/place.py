"""Where a measurement takes place: a database with tickets in it, and the service on that database."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import psycopg
from psycopg import RawCursor
from psycopg.conninfo import make_conninfo
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop

from premade.base import statements
from premade.base.statements import Statement
from premade.base.world import World
from premade.database import bring_up_to_date

sql = statements.load(str(Path(__file__).with_name("stock.py")))

WORKERS = 2
STOCK = 2_000_000_000
FILL_TICKETS_A_TURN = 500_000


@dataclass
class Place:
    """A database in use. Tickets are numbered; those below `next_ticket` are there."""

    dsn: str
    service: Service
    seller: Seller
    next_ticket: int = 0
    workers: list[psutil.Process] = field(default_factory=list[psutil.Process])

    def run(self, statement: Statement, **given: object) -> list[tuple[object, ...]]:
        """A statement of stock.sql."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = RawCursor(connection).execute(
                statement.text, statement.arguments({"partner_id": self.seller.partner_id, **given})
            )
            return cursor.fetchall() if cursor.description is not None else []

    def fill(self, count: int) -> int:
        """Adds so many unused tickets; answers the number of the first."""
        first = self.next_ticket
        self.next_ticket += count
        product = {"product_id": self.seller.product_id, "first": first, "count": count}
        self.run(sql.batches, channel=self.seller.channel, **product)
        self.run(sql.tickets, **product)
        return first

    def vacuum(self) -> None:
        """As autovacuum would; now, so that it does not come in the middle."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def activated(self, first: int, count: int) -> int:
        """How many of these tickets are sold."""
        [(tickets,)] = self.run(sql.activated, first=first, count=count)
        assert isinstance(tickets, int)
        return tickets

    def cpu_seconds(self) -> float:
        """What all processes of the service have used."""
        times = [process.cpu_times() for process in self.workers]
        return sum(time.user + time.system for time in times)

    def worker_mebibytes(self) -> float:
        """The resident memory of the largest worker."""
        return max(process.memory_info().rss for process in self.workers[1:]) / 2**20


def make_database(server: str, name: str) -> str:
    """A new database on the server, with the current schema; answers its DSN."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(server, dbname=name)
    bring_up_to_date(dsn, World(ZoneInfo("UTC")))
    return dsn


@contextmanager
def service_on(dsn: str, log: Path) -> Generator[Place]:
    """The service as production runs it, with a new seller."""
    with running_service(environment_for(dsn), log, workers=WORKERS) as service:
        shop = Shop(dsn, service.url)
        seller = shop.seller(stock=STOCK)
        parent = psutil.Process(service.process.pid)
        workers = [child for child in parent.children() if "spawn_main" in " ".join(child.cmdline())]
        if len(workers) != WORKERS:
            sys.exit(f"{len(workers)} workers run, not {WORKERS}")
        yield Place(dsn, service, seller, workers=[parent, *workers])
