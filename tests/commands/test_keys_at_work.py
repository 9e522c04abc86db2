"""Keys that the commands make, end and bring back, at work in a running service."""

import time

import httpx
import pytest
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import unique
from support.terminal import Operator

STOPS_SECONDS_MAX = 5
# As many as make sure that each of the workers has answered.
EVERY_WORKER = 12


@pytest.fixture(scope="module")
def operator(dsn: str, service: Service) -> Operator:
    """One whose service runs."""
    assert service.process.poll() is None
    return Operator(dsn)


def statuses(service: Service, key: str) -> set[int]:
    """What the workers answer to the key, each request over a connection of its own."""
    return {
        httpx.get(
            f"{service.url}/api/ota/inventory", headers={"X-API-Key": key}, trust_env=False, verify=NO_TLS
        ).status_code
        for _ in range(EVERY_WORKER)
    }


def within(seconds: float, service: Service, key: str, status: int) -> None:
    deadline = time.monotonic() + seconds
    while (found := statuses(service, key)) != {status}:
        assert time.monotonic() < deadline, found


def make(operator: Operator, *more: str) -> tuple[str, dict[str, str]]:
    partner = unique("Partner")
    operator.does("partner", "add", partner, *more)
    return partner, operator.does("key", "create", "--partner", partner, "--permission", "inventory:read")


@pytest.mark.nightly
def test_both_keys_work_for_the_overlap_and_only_the_new_one_after_it(
    operator: Operator, service: Service
) -> None:
    _, first = make(operator)
    assert statuses(service, first["key"]) == {200}

    second = operator.does("key", "rotate", str(first["id"]), "--overlap", "1h")
    assert statuses(service, first["key"]) | statuses(service, second["key"]) == {200}

    third = operator.does("key", "rotate", str(second["id"]), "--overlap", "0s")
    within(STOPS_SECONDS_MAX, service, second["key"], 401)
    assert statuses(service, first["key"]) | statuses(service, third["key"]) == {200}
    assert third["key"].startswith("pm_live_")


@pytest.mark.nightly
def test_a_key_and_a_partner_stop_within_seconds_in_every_worker(
    operator: Operator, service: Service
) -> None:
    partner, revoked = make(operator, "--test")
    other = operator.does("key", "create", "--partner", partner, "--permission", "inventory:read")
    assert revoked["key"].startswith("pm_test_")
    assert statuses(service, revoked["key"]) | statuses(service, other["key"]) == {200}

    operator.does("key", "revoke", str(revoked["id"]))
    within(STOPS_SECONDS_MAX, service, revoked["key"], 401)
    assert statuses(service, other["key"]) == {200}

    operator.does("partner", "disable", partner)
    within(STOPS_SECONDS_MAX, service, other["key"], 401)

    operator.does("partner", "enable", partner)
    within(STOPS_SECONDS_MAX, service, other["key"], 200)
    assert statuses(service, revoked["key"]) == {401}
