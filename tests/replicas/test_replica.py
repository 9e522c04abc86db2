"""Reads on a replica: as current as on the primary, whatever happens to the replica."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.cluster import Cluster, cluster, needs_standalone
from support.gate import Device, gate_client
from support.plain_http import NO_TLS
from support.processes import frozen, wait_until
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique

from premade.bootstrap import bring_up_to_date
from premade.doctor.check import Mark
from premade.doctor.checks.replica import REPLICA
from premade.doctor.examine import examine
from premade.runtime.clock import Runtime

pytestmark = [pytest.mark.nightly, needs_standalone]
ROUNDS = 30
CLIENTS = 8
READERS = 24
"""Three times the connections of the worker."""


@pytest.fixture
def primary() -> Generator[Cluster]:
    with cluster() as server:
        server.initialise()
        server.start()
        bring_up_to_date(server.dsn, Runtime(ZoneInfo("UTC")))
        yield server


@pytest.fixture
def standby(primary: Cluster) -> Generator[Cluster]:
    with cluster() as server:
        server.follow(primary)
        server.start()
        yield server


@pytest.fixture
def service(primary: Cluster, standby: Cluster, tmp_path: Path) -> Generator[Service]:
    environment = environment_for(primary.dsn, PREMADE_REPLICA_URL=standby.dsn)
    with running_service(environment, tmp_path / "log", workers=1) as running:
        yield running


@pytest.fixture
def seller(primary: Cluster, service: Service) -> Seller:
    return Shop(primary.dsn, service.url).seller()


def reads(service: Service) -> dict[str, float]:
    """The reads so far, by the server that answered."""
    text = httpx.get(service.metrics_url, trust_env=False, verify=NO_TLS).text
    return {
        sample.labels["server"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "premade_reads_total"
    }


def sells_and_lists(seller: Seller) -> None:
    """Each list shows what the same client wrote just before."""
    batch = unique("BATCH")
    [code] = seller.tickets(batch_id=batch)
    batches = seller.http.get("/api/ota/batches", params={"limit": 1}).json()["items"]
    tickets = seller.http.get("/api/ota/tickets", params={"batch_id": batch}).json()["items"]
    order = seller.activate(code).json()["order_id"]
    [listed] = seller.http.get("/api/ota/tickets", params={"batch_id": batch}).json()["items"]
    orders = seller.http.get("/api/ota/orders", params={"limit": 1}).json()["items"]
    exported = seller.http.get(f"/api/ota/batches/{batch}/tickets.csv").text

    assert batches[0]["batch_id"] == batch
    assert [ticket["ticket_code"] for ticket in tickets] == [code]
    assert listed["status"] == "ACTIVE"
    assert orders[0]["order_id"] == order
    assert order in exported


def test_each_list_shows_what_its_client_wrote_just_before(service: Service, seller: Seller) -> None:
    for _ in range(ROUNDS):
        sells_and_lists(seller)

    assert reads(service) == {"replica": 5 * ROUNDS}


def test_each_of_many_clients_reads_its_own_writes(
    primary: Cluster, service: Service, seller: Seller
) -> None:
    shop = Shop(primary.dsn, service.url)
    sellers = [shop.seller() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(sells_and_lists, sellers * 5))

    assert reads(service)["replica"] == 5 * 5 * CLIENTS


def test_a_device_follows_its_snapshots_on_the_replica_and_on_the_primary(
    primary: Cluster, standby: Cluster, service: Service, seller: Seller
) -> None:
    shop = Shop(primary.dsn, service.url)
    device = Device(gate_client(shop, seller.name))
    codes = seller.tickets(3)
    seller.activate(codes[0])
    device.sync()
    seller.activate(codes[1])
    device.sync()
    assert reads(service) == {"replica": 2}
    standby.stop("immediate")
    seller.activate(codes[2])
    device.sync()

    assert device.kinds == ["full", "changes", "changes"]
    assert set(device.tickets) == set(codes)


def test_the_primary_answers_while_the_replica_lags(
    standby: Cluster, service: Service, seller: Seller
) -> None:
    sells_and_lists(seller)
    standby.execute("SELECT pg_wal_replay_pause()")
    sells_and_lists(seller)
    assert reads(service) == {"replica": 5, "primary": 5}

    standby.execute("SELECT pg_wal_replay_resume()")

    wait_until(lambda: uses_the_replica(service, seller), "the replica is not used again")
    assert [line["event"] for line in service.log_lines() if "replica" in str(line["event"])] == [
        "database.replica_away",
        "database.replica_away_over",
    ]


def test_the_primary_answers_while_the_replica_is_away(
    standby: Cluster, service: Service, seller: Seller
) -> None:
    standby.stop("immediate")
    sells_and_lists(seller)
    standby.start()
    wait_until(lambda: uses_the_replica(service, seller), "the replica is not used again")
    sells_and_lists(seller)


def test_the_primary_answers_more_readers_than_the_replica_has_connections(
    standby: Cluster, service: Service, seller: Seller
) -> None:
    with ThreadPoolExecutor(READERS) as readers:

        def statuses() -> set[int]:
            lists = readers.map(lambda _: seller.http.get("/api/ota/batches"), range(10 * READERS))
            return {answer.status_code for answer in lists}

        assert statuses() == {200}  # and all connections are open
        with frozen(standby.dsn):
            assert statuses() == {200}


def test_a_promoted_replica_is_not_read(standby: Cluster, service: Service, seller: Seller) -> None:
    standby.promote()
    standby.execute("DELETE FROM pre_generated_tickets")

    sells_and_lists(seller)

    assert reads(service) == {"primary": 5}


@pytest.mark.parametrize("replica", ["the primary itself", "another server"])
def test_a_server_that_is_no_replica_is_not_read(primary: Cluster, tmp_path: Path, replica: str) -> None:
    with cluster() as other:
        other.initialise()
        other.start()
        named = primary if replica == "the primary itself" else other
        environment = environment_for(primary.dsn, PREMADE_REPLICA_URL=named.dsn)
        with running_service(environment, tmp_path / "log", workers=1) as service:
            sells_and_lists(Shop(primary.dsn, service.url).seller())

            assert reads(service) == {"primary": 5}


def test_the_doctor_examines_the_replica(
    primary: Cluster, standby: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", primary.dsn)

    def examined(replica: Cluster | None) -> tuple[Mark, str]:
        if replica is not None:
            monkeypatch.setenv("PREMADE_REPLICA_URL", replica.dsn)
        [line] = examine(checks=[REPLICA])
        return line.mark, line.text

    assert examined(None) == (Mark.OK, "There is no replica. The primary answers all reads.")
    assert examined(standby)[0] is Mark.OK
    assert examined(primary)[0] is Mark.WARNING
    standby.stop("immediate")
    mark, text = examined(standby)
    assert mark is Mark.WARNING
    assert "cannot be reached" in text


def uses_the_replica(service: Service, seller: Seller) -> bool:
    before = reads(service).get("replica", 0)
    seller.http.get("/api/ota/batches")
    return reads(service).get("replica", 0) > before
