"""Rate limits: exact over all workers, harmless for others, and a refused request can be repeated."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from support.operating import run
from support.processes import wait_until
from support.service import environment_for, running_service
from support.shop import Seller, Shop, unique

from premade.limits import leases_sql as sql
from premade.limits.lease import LEASE_SECONDS, Lease, RateLimited
from premade.limits.operation_class import OperationClass
from premade.limits.rate_limit import BURST_SECONDS, RateLimit
from premade.limits.rate_limits import RateLimits
from premade.partners.call import PERMISSIONS
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime

ACTIVATE = OperationClass.ACTIVATE
_keys = iter(range(-1, -1_000_000, -1))
"""Ids that no API key has: a bucket refers to none."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement may take longer than half a second on the machine of the tests, and the clock of the test stands still."""
    monkeypatch.setattr("premade.limits.lease.FETCH_SECONDS_MAX", 60)


class Workers:
    """Several processes with one bucket in PostgreSQL. The test moves their clock, and the database's with it."""

    def __init__(self, database: Database, runtime: Runtime, count: int, per_minute: int) -> None:
        self.database, self.seconds, self.key_id = database, 0.0, next(_keys)
        self._began = time.monotonic()
        runtime = replace(runtime, monotonic_seconds=lambda: self.seconds)
        limits = dict.fromkeys(OperationClass, per_minute)
        self.limits = [RateLimits(database, runtime, limits) for _ in range(count)]
        self.passed: list[float] = []
        self.refusals: list[RateLimited] = []

    def lease(self, worker: int) -> Lease:
        lease = self.limits[worker].lease_of(self.key_id, ACTIVATE)
        assert lease is not None
        return lease

    async def move_clock(self, seconds: float) -> None:
        self.seconds += seconds
        shift = self.seconds - (time.monotonic() - self._began)
        async with self.database.single_statement() as tx:
            await tx._connection.execute(
                "SELECT set_config('premade.clock_shift', %s, false)", [f"{shift:.6f}s"]
            )

    async def request(self, worker: int) -> None:
        lease = self.lease(worker)
        try:
            if not lease.take():
                await lease.wait_and_take()
        except RateLimited as refusal:
            self.refusals.append(refusal)
        else:
            self.passed.append(self.seconds)

    async def requests(self, *of_worker: int) -> None:
        """Let each worker answer so many requests that arrive together. The database's clock does not go on by itself."""
        await self.move_clock(0)
        await asyncio.gather(
            *(self.request(worker) for worker, count in enumerate(of_worker) for _ in range(count))
        )
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*(task for task in others if "RateLimits._fetch" in repr(task)))

    def most_in(self, seconds: float) -> int:
        """The highest number that passed in any span of this length."""
        return max(
            sum(begin <= moment < begin + seconds for moment in self.passed) for begin in set(self.passed)
        )


def with_workers(shop: Shop, count: int, per_minute: int, test: Any) -> None:
    async def action(_: Database) -> None:
        async with open_database(shop.dsn, connections_max=1) as database:
            workers = Workers(database, shop.runtime, count, per_minute)
            await workers.move_clock(0)
            await test(workers)

    run(shop.dsn, action)


@pytest.mark.parametrize("per_minute", [600, pytest.param(60, marks=pytest.mark.nightly)])
def test_workers_under_overload_let_exactly_the_limit_pass(shop: Shop, per_minute: int) -> None:
    count, step_seconds, seconds = 3, 0.1, 10
    limit = RateLimit(per_minute)

    async def overload(workers: Workers) -> None:
        for _ in range(round(seconds / step_seconds)):
            await workers.requests(*[4] * count)
            await workers.move_clock(step_seconds)

        allowed = limit.capacity + seconds / limit.seconds_per_token
        assert 0.9 * allowed <= len(workers.passed) <= 1.1 * allowed
        for span in (1, 5, BURST_SECONDS):
            assert workers.most_in(span) <= 1.1 * (limit.capacity + span / limit.seconds_per_token)
        assert {refusal.retry_after_seconds for refusal in workers.refusals} <= {1, 2}

    with_workers(shop, count, per_minute, overload)


def test_a_load_below_the_limit_is_never_refused_however_it_moves_between_workers(shop: Shop) -> None:
    async def load(workers: Workers) -> None:
        # 90 requests in 10 seconds of 100, each second to another worker.
        for second in range(30):
            await workers.requests(*[9 * (worker == second % 3) for worker in range(3)])
            await workers.move_clock(1)
            for limits in workers.limits:
                await limits.settle()

        assert not workers.refusals
        assert len(workers.passed) == 270

    with_workers(shop, 3, 600, load)


def test_a_request_takes_a_token_in_memory_and_a_known_refusal_asks_nobody(shop: Shop) -> None:
    async def statements(workers: Workers) -> None:
        asked = 0
        lease = workers.lease(0)
        fetch = lease._fetch  # pyright: ignore[reportPrivateUsage]

        async def counted(lease: Lease) -> None:
            nonlocal asked
            asked += 1
            await fetch(lease)

        lease._fetch = counted  # pyright: ignore[reportPrivateUsage]
        for _ in range(1000):
            await workers.request(0)
        assert len(workers.passed) == 1000
        assert asked < 20

        for _ in range(20):
            await workers.requests(600)
        passed, before = len(workers.passed), asked
        assert 10_000 <= passed <= 10_200
        await workers.requests(1_000)
        assert asked == before
        assert len(workers.passed) == passed

    with_workers(shop, 1, 60_000, statements)


def test_tokens_of_an_ended_lease_go_back(shop: Shop) -> None:
    async def two_workers(workers: Workers) -> None:
        for _ in range(4):
            await workers.requests(20, 0)
        await workers.move_clock(LEASE_SECONDS)
        lease = workers.lease(0)
        assert lease.needs_settlement
        await workers.limits[0].settle()
        assert not lease.needs_settlement

        for _ in range(40):
            await workers.requests(0, 20)
        # A bucket of 600, which gets 60 in the second that has passed.
        assert 658 <= len(workers.passed) <= 668

    with_workers(shop, 2, 3_600, two_workers)


def test_a_bucket_from_before_the_clock_went_back_refuses_nothing(shop: Shop) -> None:
    async def two_workers(workers: Workers) -> None:
        await workers.requests(20, 0)
        shop.sql(
            "UPDATE rate_buckets SET full_at = full_at + interval '1 hour' WHERE key_id = %s RETURNING key_id",
            workers.key_id,
        )
        await workers.requests(0, 20)
        assert len(workers.passed) == 40
        assert workers.refusals == []

    with_workers(shop, 2, 3_600, two_workers)


def test_without_a_database_requests_pass(shop: Shop) -> None:
    async def action(database: Database) -> None:
        async with database.single_statement() as tx:
            await tx.fetch_all(sql.lease, **_no_leases())
        async with open_database("host=127.0.0.1 port=1", 1, waits=False) as away:
            limits = RateLimits(away, shop.runtime, {ACTIVATE: 6})
            lease = limits.lease_of(next(_keys), ACTIVATE)
            assert lease is not None
            for _ in range(50):
                if not lease.take():
                    await lease.wait_and_take()

    shop.operate(lambda database, _: action(database))


def _no_leases() -> Any:
    names = ("key_ids", "operation_classes", "seconds_per_token", "capacities", "spent", "requested")
    return {name: [] for name in names}


# ---- over HTTP


def limited(shop: Shop, **per_minute: int) -> Seller:
    """A seller with limits of its own. They are in force at its first request."""
    seller = shop.seller()
    for name, value in per_minute.items():
        shop.sql("INSERT INTO partner_limits VALUES (%s, %s, %s)", seller.partner_id, f"rate-{name}", value)
    return seller


def figures(answer: httpx.Response) -> dict[str, int]:
    """The parameters of RateLimit and RateLimit-Policy, such as q, w, r and t."""
    fields = [answer.headers["RateLimit-Policy"], answer.headers["RateLimit"]]
    assert len({field.partition(";")[0] for field in fields}) == 1
    return {
        name: int(value)
        for field in fields
        for name, _, value in (parameter.partition("=") for parameter in field.split(";")[1:])
    }


def test_a_refused_request_changes_nothing_and_can_be_repeated(shop: Shop) -> None:
    seller, other = limited(shop, generate=60), shop.seller()
    batches = [unique("BATCH") for _ in range(30)]
    answers = {
        batch: seller.generate(batch_id=batch, headers={"Idempotency-Key": batch}) for batch in batches
    }
    refused = {batch: answer for batch, answer in answers.items() if answer.status_code == 429}

    # A bucket of 10, and about one more for each second and each worker.
    assert 10 <= len(answers) - len(refused) <= 16
    answer = next(iter(refused.values()))
    assert answer.json()["code"] == "RATE_LIMITED"
    assert answer.json()["operation_class"] == "generate"
    assert answer.json()["per_minute"] == 60
    assert answer.headers["RateLimit-Policy"] == '"generate";q=10;w=10'
    assert figures(answer)["r"] == 0
    assert int(answer.headers["Retry-After"]) >= 1
    [stored] = shop.sql("SELECT count(*) FROM batches WHERE partner_id = %s", seller.partner_id)
    assert stored["count"] == len(answers) - len(refused)
    # Other classes and other partners have buckets of their own.
    assert seller.http.get("/api/ota/inventory").status_code == 200
    assert other.generate().status_code == 201

    again, deadline = answer, time.monotonic() + 20
    while again.status_code == 429 and time.monotonic() < deadline:
        time.sleep(float(again.headers["Retry-After"]))
        batch = next(iter(refused))
        again = seller.generate(batch_id=batch, headers={"Idempotency-Key": batch})
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in again.headers


def test_each_class_has_its_policy_and_a_replay_counts(shop: Shop) -> None:
    seller = limited(shop, generate=600, activate=60, read=1800)
    key = {"Idempotency-Key": unique("key")}
    [code] = seller.tickets()
    sold, replay = seller.activate(code, headers=key), seller.activate(code, headers=key)

    assert replay.headers["Idempotency-Replayed"] == "true"
    assert (figures(sold)["q"], figures(sold)["w"]) == (10, 10)
    # The first response of a worker may come before its first lease.
    wait_until(lambda: figures(seller.activate(code, headers=key))["r"] < 10, "a replay does not count")
    reading = seller.http.get(f"/api/ota/tickets/{code}")
    assert reading.headers["RateLimit-Policy"] == '"read";q=300;w=10'
    hold = seller.hold()
    assert seller.http.get(f"/api/ota/reservations/{hold}").headers["RateLimit-Policy"].startswith('"read"')
    assert seller.release(hold).headers["RateLimit-Policy"] == '"generate";q=100;w=10'
    # The default of the operator's settings, and none for requests without a key.
    gate = shop.client(shop.key(seller.name, ["gate:redeem"]).key).get("/api/gate/snapshot")
    assert gate.headers["RateLimit-Policy"] == '"gate";q=100000;w=10'
    assert "RateLimit" not in httpx.get(f"{shop.url}/api/ota/inventory").headers


def test_a_rotated_key_has_the_bucket_of_its_predecessor(shop: Shop) -> None:
    limits = RateLimits(SimpleNamespace(for_batches=None), shop.runtime, dict.fromkeys(OperationClass, 60))  # pyright: ignore[reportArgumentType]
    assert limits.lease_of(1, ACTIVATE) is limits.lease_of(1, ACTIVATE)
    assert limits.lease_of(1, ACTIVATE) is not limits.lease_of(1, OperationClass.READ)
    assert limits.lease_of(1, ACTIVATE, own=0) is None
    changed = limits.lease_of(1, ACTIVATE, own=120)
    assert changed is not None
    assert changed.capacity == 20


def test_every_permission_has_a_class() -> None:
    assert {permission.operation_class for permission in PERMISSIONS.values()} == set(OperationClass)


@pytest.fixture
def two_services(dsn: str, tmp_path: Path) -> Iterator[list[str]]:
    with ExitStack() as stack:
        services = [
            stack.enter_context(running_service(environment_for(dsn), tmp_path / f"log{number}"))
            for number in range(2)
        ]
        yield [service.url for service in services]


@pytest.mark.nightly
@pytest.mark.parametrize("per_minute", [1_200, 300])
def test_two_services_with_several_workers_keep_one_limit(
    shop: Shop, two_services: list[str], per_minute: int
) -> None:
    seller, other = limited(shop, read=per_minute), shop.seller()
    seconds, statuses, others = 15.0, Counter[int](), Counter[int]()
    ends_at = time.monotonic() + seconds

    def load(number: int) -> None:
        is_other = number == 0
        mine, counted = (other, others) if is_other else (seller, statuses)
        with httpx.Client(base_url=two_services[number % 2], headers={"X-API-Key": mine.key}) as client:
            while time.monotonic() < ends_at:
                counted[client.get("/api/ota/products").status_code] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load, range(8)))

    limit = RateLimit(per_minute)
    allowed = limit.capacity + seconds / limit.seconds_per_token
    print(per_minute, statuses, others, allowed)
    assert set(statuses) == {200, 429}
    assert 0.9 * allowed <= statuses[200] <= 1.1 * allowed
    assert set(others) == {200}
