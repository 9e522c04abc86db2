"""What a database gives out in one life of it, between two restores."""

import asyncio
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.offline.snapshot import Snapshots
from premade.partners.keyring import Caller, GateCaller
from premade.postgres.database import Database, open_database
from premade.postgres.embedded import binaries
from premade.runtime.clock import Runtime
from premade.runtime.errors import DatabaseRestored
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest
from premade.tickets.incarnation import KnownState, confirm_incarnation
from premade.tickets.signing import Signers
from support.postgres import STANDALONE_BINARIES
from support.shop import Seller, Shop, unique

CLOCKS = ("ticket_code_ms", "order_id_ms", "reservation_id_ms")
BURST = 60_000
"""Codes that others make within seconds: the clocks are then about a minute ahead."""
WORLD = Runtime(ZoneInfo("UTC"))


@dataclass
class Life:
    """What was given out, in one life of a database."""

    codes: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])
    ids: list[str] = field(default_factory=list[str])
    sold: list[str] = field(default_factory=list[str])
    cursor: str = ""

    @property
    def orders(self) -> list[str]:
        return [each for each in self.ids if each.startswith("ORD-")]

    @property
    def key_ids(self) -> set[str]:
        return {token.split(":")[3] for token in self.tokens}


@dataclass
class Till:
    """A partner at work on a database that may be replaced."""

    dsn: str
    seller: Seller

    def live(self, burst: int = BURST) -> Life:
        """Generate tickets, activate and reserve some, and fetch a snapshot, while others are far ahead."""
        life = Life()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for clock in CLOCKS if burst else ():
                connection.execute("SELECT take_logical_ms(%s, %s)", [clock, burst])
        asyncio.run(self._live(life, 20))
        return life

    def is_refused(self) -> None:
        """Nothing is given out before the restore is recorded."""
        with pytest.raises(DatabaseRestored):
            self.live(burst=0)

    async def _live(self, life: Life, tickets: int) -> None:
        caller = Caller(self.seller.key_id, self.seller.partner_id, self.seller.channel)
        async with open_database(self.dsn, connections_max=1) as database:
            generator = Generator(database, WORLD, Signers(database, WORLD))
            batch = await generator.generate(
                caller, "r", BatchRequest(self.seller.product_id, tickets, unique("BATCH"))
            )
            life.codes += [ticket.ticket_code for ticket in batch.tickets]
            life.tokens += [ticket.token for ticket in batch.tickets]
            activator = Activator(database, WORLD)
            for code in life.codes[:3]:
                activated = await activator.activate(
                    Activation(caller, "r", code, "John Smith", "john@example.com", "+1234567890", "PAY")
                )
                life.ids.append(activated.order_id)
                life.sold.append(code)
            for _ in range(3):
                held = await Reservations(database, WORLD).reserve(
                    ReservationRequest(caller, "r", self.seller.product_id, 1)
                )
                life.ids.append(held.reservation_id)
            life.cursor = (await snapshot(database))[-1]["next"]

    def kind_of_snapshot(self, since: str) -> str:
        async def fetch() -> str:
            async with open_database(self.dsn, connections_max=1) as database:
                return (await snapshot(database, since))[0]["snapshot"]

        return asyncio.run(fetch())

    def sql(self, query: str) -> list[dict[str, Any]]:
        return Shop(self.dsn, "http://nowhere").sql(query)


async def snapshot(database: Database, since: str | None = None) -> list[dict[str, str]]:
    pieces = [
        piece
        async for piece in Snapshots(database, WORLD).lines(GateCaller("key:1", None, frozenset()), since)
    ]
    return [orjson.loads(line) for line in b"".join(pieces).splitlines()]


def confirm(dsn: str) -> None:
    """As a process of the service does."""

    async def run() -> None:
        async with open_database(dsn, connections_max=1) as database:
            await confirm_incarnation(database, WORLD)

    asyncio.run(run())


def till(dsn: str) -> Till:
    return Till(dsn, Shop(dsn, "http://nowhere").seller())


def assert_nothing_repeats(*lives: Life) -> None:
    for kind in ("codes", "tokens", "ids"):
        given = [each for life in lives for each in getattr(life, kind)]
        assert given
        assert len(given) == len(set(given)), kind
    key_ids = [life.key_ids for life in lives]
    assert all(len(ids) == 1 for ids in key_ids)
    # Numbers are drawn, so two lives that have forgotten the same may draw the same one; its seed is another.
    assert key_ids[0].isdisjoint(set.union(*key_ids[1:])), "a restored database signs with a new key"


def restorations(dsn: str) -> list[dict[str, Any]]:
    return Shop(dsn, "http://nowhere").sql(
        "SELECT event_id, actor, data FROM audit_events WHERE event = 'database.restored' ORDER BY event_id"
    )


def dump(dsn: str, file: Path, *options: str) -> None:
    subprocess.run([programs(dsn) / "pg_dump", *options, "-f", file, "-d", dsn], check=True)


def load(dsn: str, file: Path) -> None:
    command = [programs(dsn) / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", file]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def programs(dsn: str) -> Path:
    with psycopg.connect(dsn) as connection:
        version = connection.info.server_version // 10_000
    return STANDALONE_BINARIES if version == 15 else binaries()


def seen(dsn: str, before: KnownState | None = None) -> KnownState | None:
    async def run() -> KnownState | None:
        async with open_database(dsn, connections_max=1) as database:
            return await confirm_incarnation(database, WORLD, known=before)

    return asyncio.run(run())
