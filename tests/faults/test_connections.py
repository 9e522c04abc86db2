"""What goes over a connection whose answers are joined: in order, whole, and no more at once than it must be."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import uvicorn
from support.race import wait_until_something_waits_for_a_row
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.wire import activation, get, wait_until_all_has_arrived, wires

from premade.base.connection import Connection
from premade.serve import KEEP_ALIVE_SECONDS

TICKETS = 1_000
PIPELINED = 60
"""So many lists of all tickets, of some 400 KB each."""
RECEIVED_AT_ONCE_BYTES = 64 * 1024
UNREAD_BYTES_MAX = 10 * 1024 * 1024
"""What the kernel keeps of a connection nobody reads from: 4 MiB and more, and one answer in the worker."""
OTHERS_MEANWHILE = 3 * PIPELINED
PIECE = b"x" * 64 * 1024
PIECES = 1_000


@pytest.fixture(scope="module")
def one_worker(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(environment_for(dsn), tmp_path_factory.mktemp("one") / "log", workers=1) as service:
        yield service


@pytest.fixture
def lister(dsn: str, one_worker: Service) -> Seller:
    """A partner with TICKETS tickets."""
    seller = Shop(dsn, one_worker.url).seller(stock=TICKETS)
    for _ in range(0, TICKETS, 100):
        seller.tickets(100)
    return seller


def whole_list(seller: Seller, **headers: str) -> bytes:
    return get(f"/api/ota/tickets?limit={TICKETS}", **{"X-API-Key": seller.key, **headers})


@contextmanager
def slow_reader(url: str) -> Generator[socket.socket]:
    """A connection of a client that takes little at once."""
    address = urlsplit(url)
    with socket.socket() as client:
        # Before it connects: then the other side is told of a small window.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_AT_ONCE_BYTES)
        client.settimeout(30)
        client.connect((address.hostname, address.port))
        yield client


def read_to_the_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(RECEIVED_AT_ONCE_BYTES), b""))


def test_pipelined_requests_are_answered_in_their_order_also_behind_one_that_waits(
    one_worker: Service, dsn: str
) -> None:
    shop = Shop(dsn, one_worker.url)
    seller = shop.seller()
    held, free = seller.tickets(2)
    key = {"X-API-Key": seller.key}
    requests: list[tuple[int, Callable[[str], bytes]]] = [
        (200, lambda name: get("/healthz", **{"X-Request-Id": name})),
        (200, lambda name: activation(seller, held, headers={"X-Request-Id": name})),
        (404, lambda name: get("/nothing", **{"X-Request-Id": name})),
        (200, lambda name: get("/healthz", **{"X-Request-Id": name})),
        (200, lambda name: activation(seller, free, headers={"X-Request-Id": name})),
        (409, lambda name: activation(seller, held, headers={"X-Request-Id": name})),
        (200, lambda name: get(f"/api/ota/tickets/{held}", **key, **{"X-Request-Id": name})),
    ]
    names = [unique("request") for _ in requests]

    async def run() -> list[tuple[int, str]]:
        async with wires(one_worker, 1) as [wire]:
            with psycopg.connect(dsn) as holder:
                holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [held])
                wire.send(b"".join(make(name) for (_, make), name in zip(requests, names, strict=True)))
                await asyncio.to_thread(wait_until_something_waits_for_a_row, shop)
            answers = [await wire.answer() for _ in requests]
        return [(answer.status, answer.headers["x-request-id"]) for answer in answers]

    assert asyncio.run(run()) == [(status, name) for (status, _), name in zip(requests, names, strict=True)]


def test_a_client_that_takes_nothing_is_made_no_further_answers_and_gets_each_whole(
    one_worker: Service, lister: Seller
) -> None:
    first = lister.http.get("/api/ota/tickets", params={"limit": TICKETS})
    assert len(first.json()["items"]) == TICKETS
    name = unique("pipelined")

    def made() -> int:
        return Counter(line.get("request_id") for line in one_worker.log_lines())[name]

    with slow_reader(one_worker.url) as client:
        *before, last = [whole_list(lister, **{"X-Request-Id": name})] * PIPELINED
        client.sendall(b"".join(before))
        client.sendall(last.replace(b"Host: here", b"Host: here\r\nConnection: close"))
        wait_until_all_has_arrived(one_worker, OTHERS_MEANWHILE)
        bytes_made = made() * len(first.content)
        # It would have been as easy to make them all: the others were answered meanwhile.
        assert 0 < bytes_made < UNREAD_BYTES_MAX < PIPELINED * len(first.content)
        everything = read_to_the_end(client)

    assert everything.count(b"HTTP/1.1 200 OK") == everything.count(first.content) == PIPELINED
    assert made() == PIPELINED


def test_an_answer_of_any_length_is_whole_before_the_connection_closes(
    one_worker: Service, lister: Seller
) -> None:
    for request, least_bytes in (
        (get("/healthz", Connection="close"), 1),
        (whole_list(lister, Connection="close"), 100_000),
    ):
        with slow_reader(one_worker.url) as client:
            client.sendall(request)
            head, _, body = read_to_the_end(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in head.splitlines()
        assert f"content-length: {len(body)}".encode() in head.splitlines()
        assert len(body) >= least_bytes


class InOneTurn:
    """An application whose pieces are all there: it never waits, unless the connection makes it."""

    def __init__(self) -> None:
        self.made = 0
        self.has_stopped = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Plain ASGI."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asyncio.get_running_loop().call_soon(self.has_stopped.set)
        for _ in range(PIECES):
            self.made += 1
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def served(app: InOneTurn) -> Generator[str]:
    """By the server as the product sets it up."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        # Who connects before the server is ready waits.
        bound.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                app, loop="uvloop", http=Connection, lifespan="off", log_config=None, access_log=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(server.run, [bound])
            try:
                yield f"http://127.0.0.1:{bound.getsockname()[1]}"
            finally:
                server.should_exit = True
                running.result(30)


def test_pieces_that_are_made_in_one_turn_are_held_back_too() -> None:
    app = InOneTurn()
    with served(app) as url, slow_reader(url) as client:
        client.sendall(get("/", Connection="close"))
        assert app.has_stopped.wait(30)
        assert app.made * len(PIECE) < UNREAD_BYTES_MAX < PIECES * len(PIECE)
        everything = read_to_the_end(client)

    assert app.made == PIECES
    assert everything.count(b"x") >= PIECES * len(PIECE)
