"""A running service makes what was begun and nobody is at, and goes on after it was killed."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from large.test_commands import nobody_is_connected, options, wait_until
from support.large import assert_all_agrees, batch_events, command, make, seen_at_once, started, whose
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.terminal import Operator

from premade.generation.batch_request import BatchRequest
from premade.generation.large import CONNECTIONS, BatchProgress, BatchStopped, LargeBatches
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.tickets.signing import Signers


def begin(shop: Shop, seller: Seller, quantity: int, batch_id: str = "LARGE", **more: Any) -> BatchProgress:
    """As the console does."""
    wanted = BatchRequest(seller.product_id, quantity, batch_id, is_large=True, **more)

    async def run(database: Database, runtime: Runtime) -> BatchProgress:
        return await LargeBatches(database, runtime, Signers(database, runtime)).begin(whose(seller), wanted)

    return shop.operate(run)


def kill(service: Service) -> None:
    """The parent and its workers, so that none of them can say goodbye."""
    parent = psutil.Process(service.process.pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.kill()
    service.process.wait(60)
    psutil.wait_procs(family, 60)


@pytest.mark.nightly
def test_a_service_that_was_killed_goes_on_without_a_duplicate_or_a_gap(
    quiet_shop: Shop, tmp_path: Path
) -> None:
    shop, quantity = quiet_shop, 12_000
    seller = shop.seller(stock=quantity)
    made = begin(shop, seller, quantity)
    assert (made.made, seen_at_once(shop, seller)["issued"]) == (0, quantity)

    for least in (1, 3_000):
        with running_service(environment_for(shop.dsn), tmp_path / "log") as service:
            wait_until(lambda least=least: seen_at_once(shop, seller)["made"] >= least, "it makes nothing")
            kill(service)
        wait_until(lambda: nobody_is_connected(shop), "the killed one is still connected")
        seen = assert_all_agrees(shop, seller)
        assert seen["made"] < quantity
        assert seen["issued"] == quantity
    with running_service(environment_for(shop.dsn), tmp_path / "log"):
        wait_until(lambda: seen_at_once(shop, seller)["made"] == quantity, "it does not go on")

    assert assert_all_agrees(shop, seller)["tickets"] == quantity
    assert [event for event, _ in batch_events(shop, seller)] == ["batch.generation_begun", "batch.generated"]


@pytest.mark.nightly
def test_a_running_service_goes_on_with_what_a_killed_command_left(quiet_shop: Shop, tmp_path: Path) -> None:
    shop, quantity = quiet_shop, 8_000
    seller = shop.seller(stock=quantity)
    maker = started(shop, command(shop, seller, quantity), stderr=subprocess.DEVNULL)
    wait_until(lambda: seen_at_once(shop, seller)["made"], "it makes nothing")
    maker.kill()
    maker.wait()

    with running_service(environment_for(shop.dsn), tmp_path / "log"):
        wait_until(lambda: seen_at_once(shop, seller)["made"] == quantity, "it does not go on")

    # The command, asked for the same again, finds it made.
    assert Operator(shop.dsn).does(*options(seller, quantity))["made"] == quantity
    assert assert_all_agrees(shop, seller)["tickets"] == quantity


def go_on(shop: Shop) -> None:
    async def run() -> None:
        async with open_database(shop.dsn, CONNECTIONS) as database:
            await LargeBatches(database, shop.runtime, Signers(database, shop.runtime)).resume_all()

    asyncio.run(run())


@pytest.mark.nightly
def test_the_oldest_is_made_first_and_one_that_cannot_go_on_keeps_no_other(
    quiet_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = quiet_shop
    seller = shop.seller(stock=3_000)
    for batch_id in ("FIRST", "SECOND", "THIRD"):
        begin(shop, seller, 600, batch_id)
    begun: list[str] = []
    make_rest = LargeBatches._generate_rest

    async def noted(self: LargeBatches, on_behalf: Any, batch: Any, report: Any) -> BatchProgress:
        begun.append(batch.batch_id)
        if batch.batch_id == "FIRST":
            raise ValueError
        return await make_rest(self, on_behalf, batch, report)

    monkeypatch.setattr(LargeBatches, "_generate_rest", noted)
    go_on(shop)

    assert begun == ["FIRST", "SECOND", "THIRD"]
    assert seen_at_once(shop, seller)["made"] == 1_200
    monkeypatch.undo()
    go_on(shop)
    assert assert_all_agrees(shop, seller)["made"] == 1_800


def test_begun_again_it_is_the_same_and_stopped_it_is_refused(quiet_shop: Shop) -> None:
    shop = quiet_shop
    seller = shop.seller(stock=1_000)
    first = begin(shop, seller, 700)

    assert begin(shop, seller, 700) == first
    assert seen_at_once(shop, seller)["issued"] == 700
    assert make(shop, seller, 700).made == 700
    assert begin(shop, seller, 700).made == 700
    begin(shop, seller, 100, "STOPPED")
    Operator(shop.dsn).does("generate", "--cancel", "--partner", seller.name, "--batch", "STOPPED")
    with pytest.raises(BatchStopped):
        begin(shop, seller, 100, "STOPPED")
    assert assert_all_agrees(shop, seller)["issued"] == 700
