"""A code, an order id and a reservation id are given out once, whatever the database forgets."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest
from support.cluster import cluster
from support.postgres import STANDALONE_BINARIES, empty_database, own_database
from support.shop import Seller, Shop, unique

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.base.embedded import binaries
from premade.base.errors import DatabaseRestored
from premade.base.migrate import migrate
from premade.base.settings import Settings
from premade.base.work import Database, open_database
from premade.base.world import World
from premade.database import bring_up_to_date, ready_database
from premade.generation.generate import Generator as BatchGenerator
from premade.generation.generate import Wanted
from premade.offline.snapshot import Snapshots
from premade.partners.keyring import Caller
from premade.stock.reserve import Reservations
from premade.stock.reserve import Wanted as Hold
from premade.tickets.incarnation import confirm_incarnation
from premade.tickets.signing import Signers, list_signing_keys

CLOCKS = ("ticket_code_ms", "order_id_ms", "reservation_id_ms")
BURST = 60_000
"""Codes that others make within seconds: the clocks are then about a minute ahead."""
WORLD = World(ZoneInfo("UTC"))
needs_standalone = pytest.mark.skipif(
    not STANDALONE_BINARIES.exists(), reason="PostgreSQL 15 is not installed"
)


@dataclass
class Life:
    """What was given out, in one life of a database."""

    codes: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])
    ids: list[str] = field(default_factory=list[str])
    cursor: str = ""

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
            generator = BatchGenerator(database, WORLD, Signers(database, WORLD))
            batch = await generator.generate(
                caller, "r", Wanted(self.seller.product_id, tickets, unique("BATCH"))
            )
            life.codes += [ticket.ticket_code for ticket in batch.tickets]
            life.tokens += [ticket.token for ticket in batch.tickets]
            activator = Activator(database, WORLD)
            for code in life.codes[:3]:
                activated = await activator.activate(
                    Activation(caller, "r", code, "John Smith", "john@example.com", "+1234567890", "PAY")
                )
                life.ids.append(activated.order_id)
            for _ in range(3):
                held = await Reservations(database, WORLD).reserve(
                    caller, "r", Hold(self.seller.product_id, 1)
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
    pieces = [piece async for piece in Snapshots(database, WORLD).lines(None, since)]
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
    assert len(set.union(*key_ids)) == len(lives), "each life signs with a key of its own"


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


def test_a_dump_that_is_restored(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second, empty_database(dsn) as third:
        shop = till(first)
        dump(first, tmp_path / "dump")
        lost = shop.live()
        load(second, tmp_path / "dump")
        other = Till(second, shop.seller)

        other.is_refused()
        confirm(second)
        after = other.live(burst=0)

        assert other.kind_of_snapshot(lost.cursor) == "full"
        assert other.kind_of_snapshot(after.cursor) == "changes"
        [told] = restorations(second)
        assert (told["actor"], told["data"]["noticed_by"]) == (
            "service",
            "rows were written anew, another database",
        )
        # The same dump once more: what the first restore forgets is what the second has sold.
        load(third, tmp_path / "dump")
        confirm(third)
        again = Till(third, shop.seller).live(burst=0)
        assert_nothing_repeats(lost, after, again)


def test_a_dump_of_the_data_alone(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        shop = till(first)
        options = ["--data-only", "--disable-triggers", "--exclude-table=schema_migrations"]
        dump(first, tmp_path / "dump", *options)
        lost = shop.live()
        migrate(second)
        Shop(second, "http://nowhere").sql("DELETE FROM channels")
        load(second, tmp_path / "dump")

        confirm(second)

        assert_nothing_repeats(lost, Till(second, shop.seller).live(burst=0))
        assert Till(second, shop.seller).sql("SELECT count(*) FROM database_incarnation") == [{"count": 1}]


def test_a_dump_that_is_restored_into_the_same_database(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        shop = till(own)
        dump(own, tmp_path / "dump", "--clean")
        lost = shop.live()

        load(own, tmp_path / "dump")
        shop.is_refused()
        confirm(own)

        assert_nothing_repeats(lost, shop.live(burst=0))


def test_a_dump_that_is_restored_while_the_service_runs(dsn: str, tmp_path: Path) -> None:
    """It may be noticed before the restore sets the clocks back."""
    with own_database(dsn) as own:
        shop = till(own)
        states = shop.sql(
            "SELECT format('SELECT setval(%%L, %%s)', c, coalesce(pg_sequence_last_value(c), 1)) AS set_back"
            " FROM unnest(ARRAY['ticket_code_ms', 'order_id_ms', 'reservation_id_ms']::regclass[]) AS c"
        )
        lost = shop.live()
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute("UPDATE database_incarnation SET written_in = '1'")
            confirm(own)
            between = shop.live(burst=0)
            for state in states:
                connection.execute(str(state["set_back"]).encode())

        shop.is_refused()
        confirm(own)

        assert_nothing_repeats(lost, between, shop.live(burst=0))


def test_processes_that_notice_at_once_begin_anew_once(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        till(first)
        dump(first, tmp_path / "dump")
        load(second, tmp_path / "dump")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(confirm, [second] * 4))

        assert len(restorations(second)) == 1
        keys = Shop(second, "http://nowhere").operate(lambda database, _: list_signing_keys(database))
        assert sorted(key.key_id[0] for key in keys) == ["K", "K", "T", "T"]


def by_copy(source: Path, target: Path) -> None:
    shutil.rmtree(target)
    subprocess.run(["/bin/cp", "-a", source, target], check=True)


def only_what_changed(source: Path, target: Path) -> None:
    """As incremental restores do: a file of the same size and time is not written."""
    for path in target.rglob("*"):
        if path.is_file() and not (source / path.relative_to(target)).exists():
            path.unlink()
    for path in source.rglob("*"):
        there = target / path.relative_to(source)
        if not path.is_file() or path.is_symlink():
            continue
        old, new = path.stat(), there.stat() if there.exists() else None
        if new is None or (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
            part = there.with_name(".part")
            subprocess.run(["/bin/cp", "-a", path, part], check=True)
            part.replace(there)


@pytest.mark.parametrize("put_back", [by_copy, only_what_changed])
def test_files_that_were_copied_are_put_back(home: Path, put_back: Callable[[Path, Path], None]) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    kept = home / "kept"
    with ready_database(settings, WORLD) as dsn:
        seller = till(dsn).seller
    subprocess.run(["/bin/cp", "-a", home / "data", kept], check=True)
    with ready_database(settings, WORLD) as dsn:
        assert restorations(dsn) == []
        lost = Till(dsn, seller).live()
    put_back(kept, home / "data")

    with ready_database(settings, WORLD) as dsn:
        after = Till(dsn, seller).live(burst=0)

        assert_nothing_repeats(lost, after)
        assert Till(dsn, seller).kind_of_snapshot(lost.cursor) == "full"
        assert [event["data"]["noticed_by"] for event in restorations(dsn)] == ["files were copied"]


def test_an_ordinary_restart_begins_nothing_anew(home: Path) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    with ready_database(settings, WORLD) as dsn:
        shop = till(dsn)
        before = shop.live()
    with ready_database(settings, WORLD) as dsn, ready_database(settings, WORLD):
        after = Till(dsn, shop.seller).live()

        assert restorations(dsn) == []
        assert after.key_ids == before.key_ids
        assert Till(dsn, shop.seller).kind_of_snapshot(before.cursor) == "changes"


@needs_standalone
def test_a_standby_that_lost_the_last_sales_is_promoted() -> None:
    with cluster() as primary, cluster() as standby:
        primary.initialise()
        primary.start()
        bring_up_to_date(primary.dsn, WORLD)
        shop = till(primary.dsn)
        before = shop.live()
        standby.follow(primary)
        standby.start()
        # Whatever follows never reaches it.
        primary.execute("SELECT pg_wal_replay_pause()") if False else standby.execute(
            "SELECT pg_wal_replay_pause()"
        )
        standby.stop()
        lost = shop.live()
        primary.stop("immediate")
        standby.start()
        standby.promote()
        promoted = Till(standby.dsn, shop.seller)

        promoted.is_refused()
        confirm(standby.dsn)
        after = promoted.live(burst=0)

        assert before.key_ids == lost.key_ids
        assert len({*before.codes, *lost.codes, *after.codes}) == 60
        assert len({*before.ids, *lost.ids, *after.ids}) == 18
        assert_nothing_repeats(lost, after)
        assert promoted.kind_of_snapshot(lost.cursor) == "full"
        [told] = restorations(standby.dsn)
        assert "another timeline" in told["data"]["noticed_by"]
