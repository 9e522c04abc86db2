"""The restore drill: sell after the backup, restore it, sell again. Devices and partners that come back see no id twice."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cluster import cluster, needs_standalone
from support.followers import ByActions, ByHttp, Gate, Source, assert_follows, rest
from support.gate import gate_client
from support.lives import Life, assert_nothing_repeats, restorations, till
from support.postgres import own_database
from support.service import environment_for, running_service
from support.shop import Seller, Shop
from support.terminal import Operator, command

from premade.postgres.embedded import embedded_postgres


@dataclass
class Followers:
    """Two devices and a partner. One device and the partner's pages know what the restore forgets."""

    early: Gate
    late: Gate
    tickets_cursor: str | None = None
    orders_cursor: str | None = None

    def read_lost(self, source: Source) -> None:
        """The last reads before the database is lost: the cursors name lost tickets and orders."""
        assert self.late.sync(source) == "full"
        _, self.tickets_cursor = source.tickets(None)
        ids, self.orders_cursor = source.orders(None)
        assert ids


def assert_come_back(followers: Followers, source: Source, shop: Shop, lost: Life) -> None:
    """Devices get a full list of what is sold, and then changes. Pages continue with the rows that still exist."""
    for gate in (followers.early, followers.late):
        assert gate.sync(source) == "full"
        assert gate.codes == active(shop)
        assert gate.codes.isdisjoint(lost.codes)
        assert gate.sync(source) == "changes"
        assert gate.codes == active(shop)

    tickets, orders = codes(shop), order_ids(shop)
    assert_follows(rest(source.tickets, None), tickets)
    assert_follows(rest(source.orders, None), orders)
    # A partner that was between two pages: what follows its cursor is what was before the lost rows.
    known = [code for code in tickets if code < min(lost.codes)]
    assert_follows(rest(source.tickets, followers.tickets_cursor), known)
    assert_follows(
        rest(source.orders, followers.orders_cursor), [each for each in orders if each < min(lost.orders)]
    )
    assert lost.codes[0] not in tickets


def assert_goes_on(followers: Followers, source: Source, shop: Shop, after: Life, lost: Life) -> None:
    """New ids are above all lost ones, so a partner that looks for newer ones finds each."""
    assert_nothing_repeats(lost, after)
    assert min(after.codes) > max(lost.codes)
    assert min(after.orders) > max(lost.orders)
    for gate in (followers.early, followers.late):
        assert gate.sync(source) == "changes"
        assert gate.codes == active(shop)
        assert set(after.sold) <= gate.codes
    assert_follows(rest(source.tickets, None), codes(shop))
    newest = rest(source.orders, None)[: len(after.orders)]
    assert sorted(newest) == sorted(after.orders)


def active(shop: Shop) -> set[str]:
    rows = shop.sql("SELECT ticket_code FROM pre_generated_tickets WHERE status = 'ACTIVE'")
    return {row["ticket_code"] for row in rows}


def codes(shop: Shop) -> list[str]:
    rows = shop.sql("SELECT ticket_code FROM pre_generated_tickets ORDER BY created_at DESC, ticket_id DESC")
    return [row["ticket_code"] for row in rows]


def order_ids(shop: Shop) -> list[str]:
    return [row["order_id"] for row in shop.sql("SELECT order_id FROM ota_orders ORDER BY order_id DESC")]


def drop(dsn: str, database: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database}".encode())


def newest_event(shop: Shop) -> int:
    return shop.sql("SELECT max(event_id) AS id FROM audit_events")[0]["id"]


def test_the_drill(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        seller, shop, operator = till(own), Shop(own, "http://nowhere"), Operator(own)
        source = ByActions(own, seller.seller)
        followers = Followers(Gate(), Gate())
        before = seller.live()
        followers.early.sync(source)
        made = operator.does("backup", str(tmp_path))
        lost = seller.live()
        followers.read_lost(source)
        lost_event = newest_event(shop)

        restored = operator.does("restore", made["file"], "--replace")
        try:
            assert restored["verified"]
            assert [each["data"]["noticed_by"] for each in restorations(own)] == ["premade restore"]
            assert newest_event(shop) > lost_event + 900_000_000
            assert set(codes(shop)) == set(before.codes)
            assert_come_back(followers, source, shop, lost)
            after = seller.live(burst=0)
            assert_goes_on(followers, source, shop, after, lost)
        finally:
            drop(dsn, restored["previous_database"])


@contextmanager
def embedded(tmp_path: Path, home: Path) -> Generator[dict[str, str]]:
    yield environment_for(None, home / "data")


@contextmanager
def standalone(tmp_path: Path, home: Path) -> Generator[dict[str, str]]:
    with cluster() as server:
        server.initialise()
        server.start()
        server.execute("CREATE DATABASE premade")
        environment = environment_for(f"host={server.folder} user=premade dbname=premade")
        assert does(environment, "migrate")["applied"]
        yield environment


def does(environment: dict[str, str], *arguments: str) -> Any:
    """The JSON that a command answers."""
    done = command(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def live(seller: Seller) -> Life:
    """As `Till.live`, over HTTP."""
    life = Life()
    for ticket in seller.generate(20).json()["tickets"]:
        life.codes.append(ticket["ticket_code"])
        life.tokens.append(ticket["qr_token"])
    for code in life.codes[:3]:
        life.ids.append(seller.activate(code).json()["order_id"])
        life.sold.append(code)
    life.ids += [seller.hold() for _ in range(3)]
    return life


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [embedded, pytest.param(standalone, marks=needs_standalone)])
def test_the_drill_with_services(kind: Any, tmp_path: Path, home: Path) -> None:
    """The same over HTTP: the backup while the service sells, and devices that meet another service."""
    with kind(tmp_path, home) as environment:
        with serving(environment, tmp_path / "first") as shop:
            seller = shop.seller()
            gate = gate_client(shop, None)
            source = ByHttp(gate, seller.http)
            followers = Followers(Gate(), Gate())
            before = live(seller)
            unsold = before.codes[-1]
            followers.early.sync(source)
            made = does(environment, "backup", str(tmp_path / "backup.dump"))
            lost = live(seller)
            sale = {"Idempotency-Key": "sale-77"}
            lost.ids.append(seller.activate(unsold, headers=sale).json()["order_id"])
            followers.read_lost(source)
            refused = command(environment, "restore", made["file"], "--replace")
            assert b"Stop 'premade serve'" in refused.stderr
        keys = [client.headers["X-API-Key"] for client in (gate, seller.http)]

        restored = does(environment, "restore", made["file"], "--replace")

        assert restored["verified"]
        with serving(environment, tmp_path / "second") as shop:
            gate, seller.http = (shop.client(key) for key in keys)
            source = ByHttp(gate, seller.http)
            assert [each["data"]["noticed_by"] for each in restorations(shop.dsn)] == ["premade restore"]
            assert_come_back(followers, source, shop, lost)
            assert seller.http.get(f"/api/ota/tickets/{lost.sold[0]}").status_code == 404
            again = seller.activate(unsold, headers=sale)
            assert "idempotency-replayed" not in again.headers
            after = live(seller)
            after.ids.append(again.json()["order_id"])
            after.sold.append(unsold)
            assert_goes_on(followers, source, shop, after, lost)


@contextmanager
def serving(environment: dict[str, str], log: Path) -> Generator[Shop]:
    """A running service, and its shop on the database that the service uses."""
    with running_service(environment, log) as service:
        dsn = environment.get("DATABASE_URL")
        if dsn is not None:
            yield Shop(dsn, service.url)
            return
        with embedded_postgres(Path(environment["PREMADE_DATA_DIR"]) / "postgres") as own:
            yield Shop(own, service.url)
