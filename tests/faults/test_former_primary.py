"""A former primary that still runs after a failover: the service never goes back to it."""

from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from support.cluster import Cluster, cluster, needs_standalone
from support.processes import wait_until
from support.service import environment_for, running_service
from support.shop import Shop

from premade.bootstrap import bring_up_to_date
from premade.runtime.clock import Runtime

TURNS = 5


def tickets_on(server: Cluster) -> int:
    with psycopg.connect(server.dsn) as connection:
        [[count]] = connection.execute(b"SELECT count(*) FROM pre_generated_tickets").fetchall()
    return count


def end_connections(server: Cluster) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'premade%' AND backend_type = 'client backend'"
    )


@pytest.mark.nightly
@needs_standalone
def test_the_service_uses_no_former_primary(tmp_path: Path) -> None:
    with ExitStack() as stack:
        former, successor = (stack.enter_context(cluster()) for _ in range(2))
        former.initialise()
        former.start()
        bring_up_to_date(former.dsn, Runtime(ZoneInfo("UTC")))
        successor.follow(former)
        successor.start()
        hosts = f"host={former.folder},{successor.folder} user=premade dbname=postgres"
        environment = environment_for(f"{hosts} target_session_attrs=read-write")
        service = stack.enter_context(running_service(environment, tmp_path / "log", workers=1))
        seller = Shop(former.dsn, service.url).seller()

        def generates() -> bool:
            answer = seller.generate()
            assert answer.status_code in (201, 503), answer.text
            return answer.status_code == 201

        former.stop("immediate")
        successor.promote()
        wait_until(generates, "it does not find the new primary")
        # The former primary is back, and takes writes as before: two primaries.
        former.start()
        before = tickets_on(former)
        for _ in range(TURNS):
            end_connections(successor)
            wait_until(generates, "it does not come back to the new primary")

        assert tickets_on(former) == before
        assert tickets_on(successor) > before + TURNS
