"""The last release on the schema of this version: it works, also beside this version, and continues what that one began."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from large.test_service import begin
from lifecycle.test_expiring import states
from support import past
from support.changelog import last_version
from support.gate import gate_client
from support.large import assert_all_agrees
from support.last_release import PROGRAM, LastRelease, unpacked
from support.postgres import own_database
from support.processes import wait_until
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.signing_seeds import make_plain, plain_seeds
from support.staff import PASSWORD, new_staff

from premade.bootstrap import bring_up_to_date
from premade.postgres.embedded import embedded_postgres
from premade.runtime.clock import Runtime

FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> LastRelease:
    return unpacked(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def last_service(
    dsn: str, release: LastRelease, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The last release on the database of this version."""
    log = tmp_path_factory.mktemp("last") / "log"
    environment = release.environment(dsn)
    with plain_seeds(dsn), running_service(environment, log, workers=1, command=PROGRAM) as running:
        yield running


@pytest.fixture
def old(seller: Seller, dsn: str, last_service: Service) -> Seller:
    """The same partner, as a client of the last release."""
    return replace(seller, http=Shop(dsn, last_service.url).client(seller.key))


def token_of(seller: Seller, code: str) -> str:
    return seller.http.get(f"/api/ota/tickets/{code}").json()["qr_token"]


def redeem(gate: httpx.Client, url: httpx.URL, token: str, scan_id: str) -> httpx.Response:
    return gate.post(
        url.join("/api/gate/redemptions"),
        json={"qr": token, "function_code": "ferry", "device_id": "GATE-1", "scan_id": scan_id},
    )


def test_it_is_the_last_release_that_runs(last_service: Service) -> None:
    document = httpx.get(f"{last_service.url}/openapi.json", trust_env=False).json()

    assert document["info"]["version"] == last_version()


def test_a_ticket_passes_from_version_to_version(
    seller: Seller, old: Seller, shop: Shop, last_service: Service
) -> None:
    gate = gate_client(shop, seller.name)
    for one, other in ((old, seller), (seller, old)):
        code, spare = one.tickets(2)
        keys = {name: {"Idempotency-Key": unique(name)} for name in ("sale", "cancel", "reissue")}

        sold = other.activate(code, headers=keys["sale"])
        assert sold.status_code == 200, sold.text
        again = one.activate(code, headers=keys["sale"])
        assert (again.json(), again.headers["Idempotency-Replayed"]) == (sold.json(), "true")
        assert one.activate(code).json()["code"] == other.activate(code).json()["code"]

        reissued = [
            each.http.post(
                f"/api/ota/tickets/{code}/reissue", json={"reason": "lost"}, headers=keys["reissue"]
            )
            for each in (one, other)
        ]
        assert [answer.status_code for answer in reissued] == [200, 200], reissued[0].text
        assert reissued[0].json() == reissued[1].json()

        scan = unique("scan")
        token = token_of(one, code)
        used = [redeem(gate, each.http.base_url, token, scan) for each in (other, one)]
        assert [answer.status_code for answer in used] == [200, 200], used[0].text
        assert used[0].json() == used[1].json()

        cancelled = [
            each.http.post(
                f"/api/ota/tickets/{spare}/cancel", json={"reason": "returned"}, headers=keys["cancel"]
            )
            for each in (other, one)
        ]
        assert [answer.status_code for answer in cancelled] == [200, 200], cancelled[0].text
        assert cancelled[0].json() == cancelled[1].json()
        history = [each.http.get(f"/api/ota/tickets/{code}").json() for each in (old, seller)]
        # Since 0.3.0.
        assert history[1].pop("archived_before") is None
        assert history[0] == history[1]
    assert_all_agrees(shop, seller)


def test_staff_sign_in_to_one_version_and_go_on_in_the_other(
    shop: Shop, old: Seller, last_service: Service
) -> None:
    name = unique("mei")
    new_staff(shop, name, "admin")
    for one, other in ((last_service.url, shop.url), (shop.url, last_service.url)):
        with httpx.Client(base_url=one, headers=FORM, trust_env=False, follow_redirects=False) as client:
            wrong = client.post("/console/sign-in", data={"name": name, "password": "wrong"})
            right = client.post("/console/sign-in", data={"name": name, "password": PASSWORD})
            assert (wrong.status_code, right.status_code) == (401, 303)
            for url in (one, other):
                for page in (
                    "/console",
                    f"/console/tickets?q={old.name}",
                    "/console/stock",
                    "/console/partners",
                ):
                    assert client.get(url + page).status_code == 200, (url, page)


@pytest.mark.nightly
def test_its_background_tasks_do_their_work(dsn: str, release: LastRelease, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        make_plain(own)
        shop = Shop(
            own, "http://nowhere", Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) - timedelta(days=3))
        )
        seller = shop.seller(stock=2_000)
        past.generate(shop, seller, 5, batch_id="ENDED", valid_until=shop.runtime.now().date())
        begin(shop, seller, 1_500, "BEGUN")

        with running_service(
            release.environment(own), tmp_path / "log", workers=1, command=PROGRAM
        ) as service:
            wait_until(lambda: states(shop, seller).get("EXPIRED") == 5, "no ticket expires")
            wait_until(
                lambda: states(shop, seller).get("PRE_GENERATED") == 1_500, "the batch is not generated"
            )
            wait_until(lambda: not shop.sql("SELECT FROM ticket_deltas"), "no count is rolled up")
            errors = [line for line in service.log_lines() if line.get("level") in {"error", "critical"}]
        assert errors == []
        assert_all_agrees(shop, seller)


@pytest.mark.nightly
def test_its_commands_run_on_an_embedded_database_that_this_version_has_migrated(
    home: Path, release: LastRelease, tmp_path: Path
) -> None:
    with embedded_postgres(home / "postgres") as embedded:
        bring_up_to_date(embedded, Runtime(ZoneInfo("UTC")))
        make_plain(embedded)
        seller = Shop(embedded, "http://nowhere").seller()
    environment = release.environment(None, home)

    def shows(*arguments: str) -> str:
        command = [*PROGRAM, *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert shows("migrate", "--json")
    batch = (
        "--partner",
        seller.name,
        "--product",
        str(seller.product_id),
        "--quantity",
        "700",
        "--batch",
        "B1",
    )
    shows("generate", *batch)
    assert (
        len(shows("export", "B1", "--partner", seller.name, "--format", "jsonl", "-o", "-").splitlines())
        == 700
    )
    with ExitStack() as old:
        service = old.enter_context(
            running_service(environment, tmp_path / "log", workers=1, command=PROGRAM)
        )
        assert batch_at(service.url, seller.key)["made"] == 700
        with running_service(environment_for(None, home), tmp_path / "new", workers=1) as new:
            assert batch_at(service.url, seller.key) == batch_at(new.url, seller.key)
            old.close()
            assert batch_at(new.url, seller.key)["made"] == 700


def batch_at(url: str, key: str) -> dict[str, Any]:
    client = Shop("", url).client(key)
    wait_until(lambda: client.get("/readyz").status_code == 200, "it does not become ready")
    return client.get("/api/ota/batches/B1").json()
