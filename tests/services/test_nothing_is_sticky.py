"""Two services behind HAProxy on one database: each request may reach either, and none depends on the one before."""

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.balancer import balancer, free_ports, needs_haproxy
from support.gate import Device, gate_client
from support.plain_http import NO_TLS
from support.postgres import own_database
from support.processes import wait_until
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.staff import PASSWORD, new_staff

from premade.partners.keys import revoke_key

pytestmark = [pytest.mark.nightly, needs_haproxy]
TICKETS = 20
SESSION_LINK = "/console/staff"


@dataclass
class Services:
    """The services, and the address of the balancer before them."""

    running: list[Service]
    shop: Shop

    def requests(self) -> list[float]:
        """The responses of each service so far, without those to the balancer's checks."""
        return [_requests(service) for service in self.running]


@pytest.fixture
def services(dsn: str, tmp_path: Path) -> Generator[Services]:
    outside, *ports = free_ports(3)
    with own_database(dsn) as own, ExitStack() as stack:
        running = [
            stack.enter_context(
                running_service(environment_for(own), tmp_path / f"log-{port}", workers=1, port=port)
            )
            for port in ports
        ]
        url = stack.enter_context(balancer(outside, ports, tmp_path))
        yield Services(running, Shop(own, url))


@pytest.fixture
def seller(services: Services) -> Seller:
    return services.shop.seller()


def _requests(service: Service) -> float:
    text = httpx.get(service.metrics_url, trust_env=False, verify=NO_TLS).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "premade_http_requests_total" and sample.labels["route"] != "/readyz"
    )


def test_a_retry_at_the_other_service_gets_the_same_result(services: Services, seller: Seller) -> None:
    batch = unique("BATCH")
    generated = [seller.generate(TICKETS, batch_id=batch, headers={"Idempotency-Key": "g"}) for _ in range(4)]
    codes = [ticket["ticket_code"] for ticket in generated[0].json()["tickets"]]
    sales = [
        [seller.activate(code, headers={"Idempotency-Key": code}).json()["order_id"] for _ in range(3)]
        for code in codes
    ]
    refused = [seller.activate(code) for code in codes]

    assert [answer.json()["tickets"] == generated[0].json()["tickets"] for answer in generated] == [True] * 4
    assert all(len(set(orders)) == 1 for orders in sales)
    assert len({orders[0] for orders in sales}) == TICKETS
    assert {answer.status_code for answer in refused} == {409}
    assert min(services.requests()) > TICKETS


def test_a_list_goes_on_at_the_other_service(services: Services, seller: Seller) -> None:
    codes = seller.tickets(TICKETS)
    listed: list[str] = []
    cursor = None
    while True:
        page = seller.http.get(
            "/api/ota/tickets", params={"limit": 1, **({"cursor": cursor} if cursor else {})}
        )
        listed += [ticket["ticket_code"] for ticket in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break

    assert sorted(listed) == sorted(codes)
    assert min(services.requests()) > TICKETS / 3


def test_a_device_follows_its_snapshots_at_either_service(services: Services, seller: Seller) -> None:
    device = Device(gate_client(services.shop, seller.name))
    codes = seller.tickets(4)
    for code in codes:
        assert seller.activate(code).is_success
        device.sync()
        device.sync()

    assert set(device.tickets) == set(codes)
    assert device.kinds == ["full"] + ["changes"] * 7


def test_a_change_of_stock_is_seen_by_both(services: Services, seller: Seller) -> None:
    held = seller.hold(10)
    left = [seller.http.get("/api/ota/inventory").json()["items"][0]["available"] for _ in range(4)]
    seller.release(held)
    again = [seller.http.get("/api/ota/inventory").json()["items"][0]["available"] for _ in range(4)]

    assert left == [990] * 4
    assert again == [1000] * 4


def test_a_revoked_key_is_refused_by_both(services: Services, seller: Seller) -> None:
    assert [seller.http.get("/api/ota/products").status_code for _ in range(4)] == [200] * 4
    services.shop.operate(lambda database, runtime: revoke_key(database, runtime, seller.key_id))

    def is_refused() -> bool:
        return {seller.http.get("/api/ota/products").status_code for _ in range(4)} == {401}

    wait_until(is_refused, "a service still accepts the key")


def test_a_session_of_the_console_works_at_either_service(services: Services) -> None:
    new_staff(services.shop, "mei.wong", "admin")
    with services.shop.client() as browser:
        browser.headers["Origin"] = services.shop.url
        signed_in = browser.post("/console/sign-in", data={"name": "mei.wong", "password": PASSWORD})
        assert signed_in.status_code == 303, signed_in.text
        pages = [browser.get(SESSION_LINK) for _ in range(4)]

    assert [page.status_code for page in pages] == [200] * 4
    assert min(services.requests()) >= 2
