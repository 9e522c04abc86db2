"""PgBouncer between the service and PostgreSQL: it works by session, and is refused in the other modes."""

import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from support.cluster import cluster, needs_standalone
from support.pooler import needs_pgbouncer, pgbouncer
from support.service import environment_for, running_service
from support.shop import Seller, Shop, unique

from premade.bootstrap import bring_up_to_date
from premade.doctor.check import Mark
from premade.doctor.checks.sessions import SESSIONS
from premade.doctor.examine import examine
from premade.postgres.pooler import SessionsShared, require_own_sessions
from premade.runtime.clock import Runtime

pytestmark = [pytest.mark.nightly, needs_standalone, needs_pgbouncer]
SALES = 100
CLIENTS = 16


@pytest.fixture(scope="module")
def dsn() -> Generator[str]:
    with cluster() as database:
        database.initialise()
        database.start()
        bring_up_to_date(database.dsn, Runtime(ZoneInfo("UTC")))
        yield database.dsn


def test_a_direct_connection_has_sessions_of_its_own(dsn: str) -> None:
    require_own_sessions(dsn)


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused(dsn: str, pool_mode: str) -> None:
    with pgbouncer(dsn, pool_mode) as through, pytest.raises(SessionsShared):
        require_own_sessions(through)


def run(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of premade to its end."""
    return subprocess.run(
        [sys.executable, "-m", "premade", *arguments],
        env=environment_for(dsn),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--port", "0"],
        ["migrate"],
        ["partner", "list"],
        ["backup", "another.dump"],
        ["restore", "backup.dump", "--replace"],
    ],
)
def test_every_command_names_the_remedy(
    dsn: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(dsn, "backup", "backup.dump").returncode == 0
    with pgbouncer(dsn, "transaction") as through:
        ended = run(through, *command)

    assert ended.returncode == 1
    assert "Set pool_mode = session in the pooler" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_doctor_names_a_pooler_that_shares_sessions(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _examined(dsn, monkeypatch) == [Mark.OK]
    with pgbouncer(dsn, "transaction") as through:
        assert _examined(through, monkeypatch) == [Mark.WRONG]


def _examined(dsn: str, monkeypatch: pytest.MonkeyPatch) -> list[Mark]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    return [line.mark for line in examine(checks=[SESSIONS])]


def test_a_service_sells_through_a_pooler_that_assigns_sessions(dsn: str, tmp_path: Path) -> None:
    with (
        pgbouncer(dsn, "session") as through,
        running_service(environment_for(through), tmp_path / "log") as service,
    ):
        seller = Shop(dsn, service.url).seller(stock=SALES)
        batch = unique("BATCH")
        codes = seller.tickets(SALES, batch_id=batch)

        with ThreadPoolExecutor(CLIENTS) as clients:
            # Each ticket twice: the second request must find the first one's order.
            orders = list(clients.map(lambda code: _sell(seller, code), [*codes, *codes]))

        by_code = dict(zip(codes, orders[:SALES], strict=True))
        assert orders[SALES:] == list(by_code.values())
        assert len(set(orders)) == SALES
        assert _orders(dsn, seller) == set(orders)
        assert len(seller.http.get(f"/api/ota/batches/{batch}/tickets.csv").text.splitlines()) == 1 + SALES


def _sell(seller: Seller, code: str) -> str:
    answer = seller.activate(code, headers={"Idempotency-Key": code})
    assert answer.status_code == 200, answer.text
    return answer.json()["order_id"]


def _orders(dsn: str, seller: Seller) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT order_id FROM ota_orders WHERE partner_id = %s", [seller.partner_id]
        )
        return {order_id for (order_id,) in rows}
