"""A database server that stands still: it takes connections and statements, and answers nothing."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from support.postgres import postgres
from support.processes import frozen
from support.service import environment_for, running_service
from support.shop import Shop, unique

from premade.bootstrap import bring_up_to_date
from premade.monitoring.readiness import READY_SECONDS_MAX
from premade.postgres.pool import CONNECT_TIMEOUT_SECONDS, CUT_OFF_SECONDS
from premade.runtime.clock import Runtime

SPARE_SECONDS = 4


def timed(ask: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    started = time.monotonic()
    answer = ask()
    return time.monotonic() - started, answer


@pytest.mark.nightly
def test_a_server_that_stands_still_is_away_within_seconds_and_nothing_is_lost(
    postgres_kind: str, home: Path
) -> None:
    with postgres(postgres_kind, home) as dsn:
        bring_up_to_date(dsn, Runtime(ZoneInfo("UTC")))
        with running_service(environment_for(dsn), home / "log", workers=1) as service:
            shop = Shop(dsn, service.url)
            seller = shop.seller()
            codes = seller.tickets(4)
            keys = {code: unique("key") for code in codes}

            def activate(code: str) -> httpx.Response:
                return seller.activate(code, headers={"Idempotency-Key": keys[code]})

            with frozen(dsn), ThreadPoolExecutor(len(codes)) as pool:
                sales = [pool.submit(timed, lambda code=code: activate(code)) for code in codes]
                took, ready = timed(lambda: shop.client().get("/readyz"))
                assert ready.status_code == 503
                assert took < READY_SECONDS_MAX + SPARE_SECONDS
                for took, answer in (sale.result() for sale in sales):
                    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_AWAY")
                    assert took < CUT_OFF_SECONDS + 2 * CONNECT_TIMEOUT_SECONDS + SPARE_SECONDS

            deadline = time.monotonic() + 2 * CONNECT_TIMEOUT_SECONDS + SPARE_SECONDS
            while shop.client().get("/readyz").status_code != 200:
                assert time.monotonic() < deadline, "it does not come back"
            assert [activate(code).status_code for code in codes] == [200] * len(codes)
            [orders] = shop.sql("SELECT count(*) FROM ota_orders WHERE partner_id = %s", seller.partner_id)
            assert orders["count"] == len(codes)
