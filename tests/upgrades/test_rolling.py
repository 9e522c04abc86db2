"""An upgrade and the way back, under load, service by service behind a load balancer: no request fails."""

import itertools
import json
import subprocess
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.balancer import NOTICES_SECONDS, balancer, free_ports, is_ready, needs_haproxy
from support.changelog import version_of
from support.last_release import PROGRAM, last_version, unpacked
from support.plain_http import NO_TLS
from support.postgres import empty_database
from support.processes import wait_until
from support.service import Service, environment_for, running_service
from support.shop import Shop, sale
from support.terminal import Operator

PRODUCT = 201
CLIENTS = 6
TICKETS = 100
"""In a batch: each client generates one and sells it, over and over."""
SALES_IN_A_STEP = 150
DRAIN = str(2 * NOTICES_SECONDS)


@dataclass
class Load:
    """Clients that generate and activate through the balancer."""

    url: str
    key: str
    failures: list[Exception] = field(default_factory=list[Exception])
    sold: list[str] = field(default_factory=list[str])
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Generator[None]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            running: list[Future[None]] = [pool.submit(self._client, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self.stop.set()
            for each in running:
                each.result()

    def _client(self, number: int) -> None:
        with httpx.Client(
            base_url=self.url, headers={"X-API-Key": self.key}, timeout=60, trust_env=False, verify=NO_TLS
        ) as http:
            for turn in itertools.count():
                batch = {"product_id": PRODUCT, "quantity": TICKETS, "batch_id": f"B{number}-{turn}"}
                for ticket in self._send(http, "/api/ota/tickets/bulk-generate", batch)["tickets"]:
                    if self.stop.is_set():
                        return
                    code = ticket["ticket_code"]
                    self._send(http, f"/api/ota/tickets/{code}/activate", sale())
                    self.sold.append(code)

    def _send(self, http: httpx.Client, path: str, body: object) -> dict[str, Any]:
        """Send a request, once. The first failure ends the load."""
        try:
            answer = http.post(path, json=body)
            assert answer.is_success, f"{path} was answered with {answer.status_code}: {answer.text}"
        except Exception as error:
            self.failures.append(error)
            self.stop.set()
            raise
        return answer.json()

    def goes_on(self) -> None:
        """Wait until many more tickets are sold, so that each step of an upgrade happens under load."""
        before = len(self.sold)
        wait_until(
            lambda: len(self.sold) >= before + SALES_IN_A_STEP or self.stop.is_set(), "nothing is sold"
        )
        assert not self.failures


class Place:
    """A port on which one service serves after another."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self._log, self._running = port, log, ExitStack()

    def serve(self, environment: dict[str, str], program: tuple[str, ...]) -> Service:
        """Stop the service, start this one, and wait until it is ready."""
        self.stop()
        starting = running_service(environment, self._log, workers=1, command=program, port=self.port)
        service = self._running.enter_context(starting)
        wait_until(lambda: is_ready(service.url), "it does not become ready")
        return service

    def stop(self) -> None:
        """Stop the service, as a service manager does."""
        self._running.close()


def does(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Run a command of the last release."""
    command = [*PROGRAM, *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def new_key(environment: dict[str, str]) -> str:
    """Add a product, stock, a partner and a key, by commands of the last release. Return the key."""
    product = (
        "--id",
        str(PRODUCT),
        "--name",
        "Ferry",
        "--type",
        "FERRY",
        "--price",
        "95",
        "--currency",
        "HKD",
    )
    does(environment, "product", "add", *product, "--entitles", "ferry=2")
    does(environment, "partner", "add", "Blue")
    does(
        environment,
        "allotment",
        "set",
        "--product",
        str(PRODUCT),
        "--channel",
        "ota",
        "--quantity",
        "1000000",
    )
    permissions = ("--permission", "tickets:bulk-generate", "--permission", "tickets:activate")
    return does(environment, "key", "create", "--partner", "Blue", *permissions)["key"]


def version_at(url: str) -> str:
    return httpx.get(f"{url}/openapi.json", trust_env=False, verify=NO_TLS).json()["info"]["version"]


@needs_haproxy
@pytest.mark.nightly
def test_no_request_fails_while_services_are_upgraded_and_taken_back_one_by_one(
    dsn: str, tmp_path: Path
) -> None:
    release = unpacked(tmp_path / "release")
    outside, *ports = free_ports(3)
    with empty_database(dsn) as own, ExitStack() as stack:
        old, new = (
            release.environment(own, PREMADE_DRAIN_SECONDS=DRAIN),
            environment_for(own, PREMADE_DRAIN_SECONDS=DRAIN),
        )
        does(old, "migrate")
        key = new_key(old)
        places = [Place(port, tmp_path / f"log-{port}") for port in ports]
        for place in places:
            stack.callback(place.stop)
            place.serve(old, PROGRAM)
        url = stack.enter_context(balancer(outside, ports, tmp_path))
        load = Load(url, key)
        with load.running():
            load.goes_on()
            Operator(own).does("migrate")
            for environment, program, version in ((new, (), version_of()), (old, PROGRAM, last_version())):
                for place in places:
                    load.goes_on()
                    service = place.serve(environment, program)
                    assert version_at(service.url) == version
            load.goes_on()

        [row] = Shop(own, url).sql(
            "SELECT count(*) AS sold FROM pre_generated_tickets WHERE status = 'ACTIVE'"
        )
        assert row["sold"] == len(set(load.sold))
