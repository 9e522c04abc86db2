"""An upgrade and the way back, under load, service by service behind a load balancer: no request fails."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from support.balancer import NOTICES_SECONDS, balancer, free_ports, is_ready, needs_haproxy
from support.changelog import last_version, version_of
from support.last_release import PRODUCT, PROGRAM, unpacked
from support.plain_http import NO_TLS
from support.postgres import empty_database
from support.processes import wait_until
from support.sales_load import Load
from support.service import Service, environment_for, running_service
from support.shop import Shop
from support.terminal import Operator

DRAIN = str(2 * NOTICES_SECONDS)


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
        release.does(old, "migrate")
        key = release.new_key(old)
        places = [Place(port, tmp_path / f"log-{port}") for port in ports]
        for place in places:
            stack.callback(place.stop)
            place.serve(old, PROGRAM)
        url = stack.enter_context(balancer(outside, ports, tmp_path))
        load = Load(url, key, PRODUCT)
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
