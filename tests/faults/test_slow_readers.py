"""Clients that take their files slowly, or not at all: they keep nothing that others wait for."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from browser.visitors import visitor
from export.conftest import large_batch
from support.gate import SNAPSHOT, Device, gate_client
from support.service import Service, environment_for, running_service
from support.shop import Shop

from premade.http import spool
from premade.http.spool import NoRoomForFile, Spool
from premade.runtime import slots
from premade.runtime.errors import Busy
from premade.runtime.slots import Lane, LaneLimits, Places, RoundRobin

TICKETS = 20_000
"""A file of some 8 MB: more than lies between the service and a client that does not read."""
MORE_SOLD = """
INSERT INTO pre_generated_tickets (
    ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at, status,
    activated_at, order_id
)
SELECT 'SLOW-2025-SLOW-' || (9000000000000 + n), partner_id, product_id, batch_id, qr_code, (
    SELECT jsonb_agg(jsonb_build_object('function_code', md5((n * 1000 + f)::text), 'remaining_uses', f))
    FROM generate_series(1, 10) AS f
), price, currency, created_at, status, activated_at, order_id
FROM pre_generated_tickets, generate_series(1, %s) AS n WHERE ticket_code = %s
"""
LONG_READS = "backend_xid IS NULL AND state LIKE 'idle in%%' AND query LIKE 'FETCH%%'"


@pytest.fixture(scope="module")
def alone(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process, so that all share what it has."""
    with running_service(environment_for(dsn), tmp_path_factory.mktemp("slow") / "log", workers=1) as service:
        yield service


@contextmanager
def taken_slowly(service: Service, path: str, key: str) -> Generator[socket.socket]:
    """The client has the status of its answer, and then reads nothing."""
    address = urlsplit(service.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.settimeout(60)
        client.connect((address.hostname, address.port))
        client.sendall(
            f"GET {path} HTTP/1.0\r\nX-API-Key: {key}\r\nAccept-Encoding: identity\r\n\r\n".encode()
        )
        assert client.recv(16).startswith(b"HTTP/1.1 200 ")
        yield client


@pytest.mark.nightly
def test_a_slow_reader_of_a_file_stops_no_other_partner_and_gets_all_of_it(dsn: str, alone: Service) -> None:
    shop = Shop(dsn, alone.url)
    slow, quick = shop.seller(), shop.seller()
    batches = {seller.name: large_batch(shop, seller, TICKETS) for seller in (slow, quick)}

    def path(name: str) -> str:
        return f"/api/ota/batches/{batches[name]}/tickets.csv"

    with taken_slowly(alone, path(slow.name), slow.key) as client:
        # Its own next one waits for it; everybody else's does not, nor does the operator's.
        refused = slow.http.get(path(slow.name))
        assert (refused.status_code, refused.json()["code"]) == (503, "EXPORTS_BUSY")
        assert int(refused.headers["retry-after"]) > 0
        for _ in range(2):
            answer = quick.http.get(path(quick.name))
            assert (answer.status_code, answer.text.count("\n")) == (200, TICKETS + 1)
        with visitor(shop, "admin") as admin:
            batch = f"/console/batch/export?partner={slow.partner_id}&batch={batches[slow.name]}"
            exported = admin.sends(batch, format="csv", which="all")
            assert (exported.status_code, exported.text.count("\n")) == (200, TICKETS + 1), exported.text[
                :500
            ]
        # Nothing of the database is kept for it.
        assert shop.sql(f"SELECT FROM pg_stat_activity WHERE {LONG_READS}") == []
        rest = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert rest.count(b"\n") > TICKETS
    assert slow.http.get(path(slow.name)).status_code == 200


@pytest.mark.nightly
def test_a_slow_device_keeps_no_other_from_its_tickets(dsn: str, alone: Service) -> None:
    shop = Shop(dsn, alone.url)
    seller = shop.seller()
    [code] = seller.tickets()
    seller.activate(code)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(MORE_SOLD, [TICKETS, code])
        try:
            for partner in (seller.name, None):
                gate = gate_client(shop, partner)
                key = gate.headers["X-API-Key"]
                with taken_slowly(alone, SNAPSHOT, key), taken_slowly(alone, SNAPSHOT, key):
                    for other in (seller.name, None):
                        device = Device(gate_client(shop, other))
                        device.sync()
                        assert len(device.tickets) >= TICKETS
        finally:
            connection.execute("DELETE FROM pre_generated_tickets WHERE ticket_code LIKE 'SLOW-2025-%'")


def test_what_makes_an_answer_is_not_far_ahead_of_a_client_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "AHEAD_BYTES_MAX", 3_000)
    made: list[int] = []
    goes_on = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes]:
        for number in range(100):
            made.append(number)
            if number == 3:
                goes_on.set()
            yield bytes([number]) * 1_000

    async def run() -> bytes:
        async with Spool(pieces(), is_compressed=False) as kept:
            await kept.begun()
            sent = kept.sent()
            first = await anext(sent)
            await goes_on.wait()
            assert len(made) <= 5
            return first + b"".join([piece async for piece in sent])

    assert asyncio.run(run()) == b"".join(bytes([number]) * 1_000 for number in range(100))


def test_no_room_for_the_file_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"x"

    async def run() -> None:
        monkeypatch.setattr("tempfile.tempdir", "/nowhere")
        with pytest.raises(NoRoomForFile):
            async with Spool(pieces(), is_compressed=False):
                pass

    asyncio.run(run())


def test_places_are_so_many_in_all_and_so_many_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "TURN_SECONDS_MAX", 0.01)

    async def run() -> None:
        places = Places(3, 2, lambda: Busy("connections"))
        async with places.place("a"), places.place("a"):
            with pytest.raises(Busy):
                async with places.place("a"):
                    pass
            async with places.place("b"):
                with pytest.raises(Busy):
                    async with places.place("c"):
                        pass
            async with places.place("c"):
                pass
        async with places.place("a"):
            pass

    asyncio.run(run())


def test_a_lane_limits_responses_of_one_owner_and_reads_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "TURN_SECONDS_MAX", 0.01)
    limits = LaneLimits(
        responses_max=3, reads_max=1, read_wait_seconds_max=0.01, refusal=lambda: Busy("connections")
    )

    async def run() -> None:
        lane, other = Lane(limits, of_one_max=1), Lane(limits, of_one_max=1)
        async with lane.place("a"), other.place("a"):
            with pytest.raises(Busy):
                async with lane.place("a"):
                    pass
        async with lane.read("full"), lane.read("changes"), other.read("full"):
            with pytest.raises(Busy):
                async with lane.read("full"):
                    pass
        async with lane.read("full"):
            pass

    asyncio.run(run())


def test_turns_go_round_between_owners_one_of_each_at_once() -> None:
    begun: list[str] = []

    async def run() -> None:
        rounds = RoundRobin(2, 10, lambda: Busy("connections"))
        ends: dict[str, asyncio.Event] = {}

        async def one(name: str) -> None:
            ends[name] = asyncio.Event()
            async with rounds.turn(name[0]):
                begun.append(name)
                await ends[name].wait()

        names = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
        tasks = {name: asyncio.create_task(one(name)) for name in names}

        async def settle() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        await settle()
        assert begun == ["a1", "b1"]
        # One gives up while it waits.
        tasks["a3"].cancel()
        for ended in ("a1", "b1", "c1", "a2", "b2", "a4"):
            ends[ended].set()
            await settle()
        assert begun == ["a1", "b1", "c1", "a2", "b2", "a4"]
        await asyncio.wait(tasks.values())
        full = RoundRobin(1, 1, lambda: Busy("connections"))
        async with full.turn("a"):
            waiting = asyncio.create_task(one_of(full))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                async with full.turn("a"):
                    pass
        await waiting

    async def one_of(rounds: RoundRobin) -> None:
        async with rounds.turn("a"):
            pass

    asyncio.run(run())
