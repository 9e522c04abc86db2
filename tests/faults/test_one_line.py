"""While the database is away, each part that asks for it writes one line when that begins and one when it is over."""

from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.plain_http import NO_TLS
from support.postgres import own_database
from support.processes import wait_until
from support.service import environment_for, running_service

SCRAPES = 15


@pytest.mark.nightly
def test_scrapes_and_background_loops_write_one_line_for_each_change(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        name = conninfo_to_dict(own)["dbname"]
        with running_service(environment_for(own), tmp_path / "log", workers=1) as service:

            def scrape() -> str:
                return httpx.get(service.metrics_url, timeout=30, trust_env=False, verify=NO_TLS).text

            def events() -> Counter[str]:
                return Counter(str(line["event"]) for line in service.log_lines())

            wait_until(lambda: "premade_database_up 1.0" in scrape(), "it does not begin")
            before = events()
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
                wait_until(lambda: "premade_database_up 0.0" in scrape(), "the scrape does not tell")
                for _ in range(SCRAPES):
                    scrape()
                # Refusals are written every 2 seconds, figures are folded every 5: each has failed by now.
                wait_until(lambda: any("postponed" in event for event in events()), "no loop tells of it")
                during = events() - before
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
            wait_until(lambda: "premade_database_up 1.0" in scrape(), "it does not come back")
            postponed = [event for event in during if event.endswith("_postponed")]
            wait_until(
                lambda: all(events()[f"{event}_over"] == 1 for event in postponed),
                "nothing says that it is over",
            )
    assert postponed
    assert {event: during[event] for event in postponed} == dict.fromkeys(postponed, 1)
    assert max(during.values()) <= 2, during
    assert sum(during.values()) <= 12, during
