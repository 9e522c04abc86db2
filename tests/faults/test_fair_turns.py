"""One partner's flood: another partner's request waits for at most one request of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.wire import Answer, Wire, get, post, send_behind, wires

from premade.runtime.errors import Busy
from premade.runtime.slots import RoundRobin

READS, WRITES = 150, 40
HOLD_ALL_TICKETS = "LOCK TABLE pre_generated_tickets IN ACCESS EXCLUSIVE MODE"
AHEAD_MAX = 12
"""More than the connections of a worker, whose requests had begun before."""


@pytest.fixture
def one_worker(own_dsn: str, tmp_path: Path) -> Iterator[Service]:
    # All clients of these tests have one address.
    environment = environment_for(own_dsn, PREMADE_CONNECTIONS_PER_ADDRESS_MAX="5000")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        yield service


def read(seller: Seller, code: str) -> bytes:
    return get(f"/api/ota/tickets/{code}", **{"X-API-Key": seller.key})


def generate(seller: Seller, batch_id: str) -> bytes:
    batch = {"product_id": seller.product_id, "quantity": 1, "batch_id": batch_id}
    return post("/api/ota/tickets/bulk-generate", batch, **{"X-API-Key": seller.key})


def test_a_partner_with_hundreds_of_waiting_requests_waits_behind_itself(
    own_dsn: str, one_worker: Service
) -> None:
    shop = Shop(own_dsn, one_worker.url)
    crowd, other = shop.seller(), shop.seller()
    [code], [other_code] = crowd.tickets(), other.tickets()
    order: list[tuple[str, Answer]] = []

    async def answered(name: str, wire: Wire) -> None:
        order.append((name, await wire.answer()))

    async def run() -> None:
        async with wires(one_worker, 1 + READS + WRITES + 2) as (first, *rest):
            flood = [read(crowd, code)] * (READS - 1) + [generate(crowd, f"A{n}") for n in range(WRITES)]
            singles = {"other read": read(other, other_code), "other write": generate(other, "B")}
            sends = list(zip(rest, [*flood, *singles.values()], strict=False))
            names = ["read"] * (READS - 1) + ["write"] * WRITES + list(singles)
            with psycopg.connect(own_dsn) as holder:
                holder.execute(HOLD_ALL_TICKETS)
                await send_behind(one_worker, shop, first, sends, read(crowd, code))
                tasks = [
                    asyncio.create_task(answered(name, wire)) for name, wire in zip(names, rest, strict=False)
                ]
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)

    asyncio.run(run())

    assert {answer.status for _, answer in order} <= {200, 201}
    served = [name for name, _ in order]
    assert served.index("other read") < AHEAD_MAX
    assert [name for name in served if "write" in name].index("other write") < AHEAD_MAX


def test_one_owner_fills_half_of_the_queue_and_leaves_a_turn() -> None:
    async def run() -> None:
        turns = RoundRobin(at_once=3, waiting_max=10, refusal=lambda: Busy("connections"), of_one_max=2)
        assert [turns.take("a") for _ in range(3)] == [True, True, False]
        waiting = [asyncio.create_task(turns.wait("a")) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await turns.wait("a")
        assert [turns.take("b") for _ in range(2)] == [True, False]
        waiting += [asyncio.create_task(turns.wait("b"))]
        await asyncio.sleep(0)
        waiting[0].cancel()
        turns.end("a")  # In the same turn of the event loop: the cancelled one is still in the queue.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [True, False, False, False, False, True]
        turns.end("a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting[1].done()
        for task in waiting:
            task.cancel()

    asyncio.run(run())
