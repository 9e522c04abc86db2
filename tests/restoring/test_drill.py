"""The restore drill: sell after the backup, restore it, sell again. Devices and partners that come back see no id twice."""

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from support.cluster import cluster, needs_standalone
from support.drill import Followers, assert_come_back, assert_goes_on, codes, live, newest_event
from support.followers import ByActions, ByHttp
from support.gate import gate_client
from support.lives import Till, restorations, till
from support.postgres import empty_database, own_database
from support.service import environment_for, running_service
from support.shop import Shop
from support.terminal import Operator, command

from premade.postgres.embedded import embedded_postgres


def drop(dsn: str, database: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database}".encode())


def test_the_drill(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        seller, shop, operator = till(own), Shop(own, "http://nowhere"), Operator(own)
        source = ByActions(own, seller.seller)
        followers = Followers()
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


@pytest.mark.nightly
def test_a_backup_shows_one_moment_of_a_database_that_is_written(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own, empty_database(dsn) as empty, ThreadPoolExecutor(2) as pool:
        is_over = Event()
        sellers = [till(own), till(own)]
        begun = [Event(), Event()]

        def sell(seller: Till, first_sale: Event) -> int:
            sales = 0
            while not is_over.is_set():
                sales += len(seller.live(burst=0).orders)
                first_sale.set()
            return sales

        selling = [pool.submit(sell, *each) for each in zip(sellers, begun, strict=True)]
        try:
            assert all(event.wait(60) for event in begun)
            made = Operator(own).does("backup", str(tmp_path))
        finally:
            is_over.set()
        sales = sum(each.result() for each in selling)

        assert Operator(empty).does("restore", made["file"])["verified"]

        [row] = Shop(empty, "http://nowhere").sql("""
            SELECT (SELECT count(*) FROM ota_orders) AS orders,
                   (SELECT count(*) FROM pre_generated_tickets WHERE status = 'ACTIVE') AS active,
                   (SELECT count(*) FROM audit_events WHERE event = 'ticket.activated') AS events,
                   (SELECT count(*) FROM pre_generated_tickets) AS tickets,
                   (SELECT sum(quantity) FROM batches) AS generated,
                   (SELECT sum(issued) FROM allotments) AS issued,
                   (SELECT count(*) FROM ota_orders o WHERE NOT EXISTS (
                       SELECT FROM pre_generated_tickets t WHERE t.order_id = o.order_id AND t.status = 'ACTIVE'
                   )) AS without_ticket
        """)
        assert 0 < row["orders"] < sales
        assert row["orders"] == row["active"] == row["events"]
        assert row["tickets"] == row["generated"] == row["issued"]
        assert row["without_ticket"] == 0


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


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [embedded, pytest.param(standalone, marks=needs_standalone)])
def test_the_drill_with_services(kind: Any, tmp_path: Path, home: Path) -> None:
    """The same over HTTP: the backup while the service sells, and devices that meet another service."""
    with kind(tmp_path, home) as environment:
        with serving(environment, tmp_path / "first") as shop:
            seller = shop.seller()
            gate = gate_client(shop, None)
            source = ByHttp(gate, seller.http)
            followers = Followers()
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
    with running_service(environment, log, workers=1) as service:
        dsn = environment.get("DATABASE_URL")
        if dsn is not None:
            yield Shop(dsn, service.url)
            return
        with embedded_postgres(Path(environment["PREMADE_DATA_DIR"]) / "postgres") as own:
            yield Shop(own, service.url)
