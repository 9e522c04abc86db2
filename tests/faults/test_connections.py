"""What goes over a connection: joined answers in order, whole, and no more at once than it must be; and from a client
that never comes to an end no more than is named.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from support.plain_http import NO_TLS
from support.race import wait_until_something_waits_for_a_row
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.wire import activation, get, wait_until_all_has_arrived, wires

from premade.console.forms import read_form
from premade.console.rendering import Templates
from premade.console.routing import with_error_pages
from premade.http import body, endpoint, protocol, write_buffer
from premade.http.connection_limits import Clients
from premade.http.endpoint import json_router
from premade.http.gateway import Gateway, PageRoute
from premade.http.protocol import LINGER_BYTES_MAX, Connection
from premade.runtime.clock import Runtime
from premade.runtime.refusal_counter import take_refusals
from premade.staff.session import Sessions
from premade.worker import KEEP_ALIVE_SECONDS

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


@pytest.mark.nightly
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


@pytest.mark.nightly
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


@pytest.mark.nightly
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
def served(app: Any, http: Any = Connection) -> Generator[str]:
    """By the server as the product sets it up."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        # Who connects before the server is ready waits.
        bound.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                app, loop="uvloop", http=http, lifespan="off", log_config=None, access_log=False,
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


class OneConnection(Clients):
    """Tells when it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.has_ended = threading.Event()

    def leave(self, address: str) -> None:
        """Called by the connection."""
        super().leave(address)
        self.has_ended.set()


@pytest.mark.parametrize("is_last", [False, True], ids=["a piece", "the last one"])
def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, *, is_last: bool) -> None:
    """There is no other end to a connection whose client is there and does not read."""
    monkeypatch.setattr(write_buffer, "UNREAD_SECONDS_MAX", 0.1)
    clients = OneConnection()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": PIECE * PIECES, "more_body": not is_last})
        while (await receive())["type"] != "http.disconnect":
            pass

    with served(app, partial(Connection, clients=clients)) as url, slow_reader(url) as client:
        client.sendall(get("/", Connection="close"))
        assert clients.has_ended.wait(30)


async def answers_at_once(_scope: Any, _receive: Any, send: Any) -> None:
    """Whatever is still to come of the request."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


ENDLESS_BODY = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: he", b"\r\n"], ids=["nothing", "half", "lines"]
)
def test_a_head_that_is_never_complete_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", 0.05)
    with served(answers_at_once) as url, slow_reader(url) as client:
        client.sendall(sent)
        assert client.recv(1) == b""


def test_a_second_head_that_is_never_complete_ends_the_connection_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", 0.05)
    with served(answers_at_once) as url, slow_reader(url) as client:
        client.sendall(get("/"))
        assert client.recv(RECEIVED_AT_ONCE_BYTES).startswith(b"HTTP/1.1 401 ")
        client.sendall(b"GET /")
        assert client.recv(1) == b""


def test_a_request_that_takes_longer_than_its_head_may_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", 0.05)

    may_go_on = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/go":
            may_go_on.set()
        await may_go_on.wait()
        await answers_at_once(scope, receive, send)

    with served(slow) as url, slow_reader(url) as client:
        client.sendall(get("/", Connection="close"))
        with slow_reader(url) as later:
            # Whoever came later and sent nothing is out of time by now.
            assert later.recv(1) == b""
        with slow_reader(url) as another:
            another.sendall(get("/go"))
            assert another.recv(1) == b"H"
        assert read_to_the_end(client).startswith(b"HTTP/1.1 401 ")


def test_a_body_without_end_that_was_answered_already_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS_MAX", 0.05)
    with served(answers_at_once) as url, slow_reader(url) as client:
        client.sendall(ENDLESS_BODY)
        assert client.recv(RECEIVED_AT_ONCE_BYTES).startswith(b"HTTP/1.1 401 ")
        client.sendall(CHUNK)
        assert client.recv(1) == b""


def test_a_body_without_end_that_was_answered_already_is_taken_to_a_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS_MAX", 600)
    with served(answers_at_once) as url, slow_reader(url) as client:
        client.sendall(ENDLESS_BODY)
        assert client.recv(RECEIVED_AT_ONCE_BYTES).startswith(b"HTTP/1.1 401 ")
        with pytest.raises(ConnectionError):  # noqa: PT012  (which of them it meets first is not said)
            for _ in range(2 * LINGER_BYTES_MAX // len(PIECE)):
                client.sendall(CHUNK)


def test_a_whole_body_that_was_answered_already_leaves_the_connection_to_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS_MAX", 600)
    with served(answers_at_once) as url, slow_reader(url) as client:
        for _ in range(3):
            client.sendall(ENDLESS_BODY)
            assert client.recv(RECEIVED_AT_ONCE_BYTES).startswith(b"HTTP/1.1 401 ")
            # In two, so that the end comes after the answer for certain.
            client.sendall(CHUNK)
            client.sendall(b"0\r\n\r\n")


def test_trailers_that_come_in_one_packet_with_their_body_are_counted_too() -> None:
    is_held, may_go_on = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/hold":
            # Nothing is read meanwhile, so that what is sent arrives at once.
            is_held.set()
            may_go_on.wait(30)
            await answers_at_once(scope, receive, send)
        else:
            while (await receive())["type"] != "http.disconnect":
                pass

    with served(app) as url, slow_reader(url) as holder, slow_reader(url) as client:
        holder.sendall(get("/hold", Connection="close"))
        assert is_held.wait(30)
        client.sendall(ENDLESS_BODY + b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 17_000)
        may_go_on.set()
        assert read_to_the_end(client).startswith(b"HTTP/1.1 431 ")


class _Anything(BaseModel):
    items: list[Any]


def test_a_large_body_is_read_beside_the_requests_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    is_reading, may_go_on = threading.Event(), threading.Event()
    read_json = endpoint.read_json

    def read_until_told(raw: bytes) -> Any:
        is_reading.set()
        assert may_go_on.wait(10)
        return read_json(raw)

    monkeypatch.setattr(endpoint, "read_json", read_until_told)
    router = json_router("here")

    @router.post("/large")
    async def large(sent: _Anything) -> _Anything:  # pyright: ignore[reportUnusedFunction]
        return _Anything(items=[len(sent.items)])

    app = FastAPI()
    app.router.routes.extend(router.routes)
    with (
        served(Gateway(app, Runtime(ZoneInfo("UTC")))) as url,
        httpx.Client(base_url=url, trust_env=False, verify=NO_TLS, timeout=5) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(
            httpx.post,
            f"{url}/large",
            json={"items": [1] * 100_000},
            trust_env=False,
            verify=NO_TLS,
            timeout=20,
        )
        try:
            assert is_reading.wait(10)
            assert client.get("/nothing").status_code == 404
            assert not slow.done()
        finally:
            may_go_on.set()
        assert slow.result(20).json() == {"items": [100_000]}


@pytest.mark.parametrize("path", ["/form", "/json"])
def test_a_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS_MAX", 0.05)
    router = json_router("here")

    @router.post("/json")
    async def take(wanted: _Anything) -> _Anything:  # pyright: ignore[reportUnusedFunction]
        return wanted

    async def form(request: Request) -> Response:
        return JSONResponse(await read_form(request))

    app = FastAPI()
    app.router.routes.extend(router.routes)
    app.router.routes.append(
        PageRoute("/form", with_error_pages(Templates(Runtime(ZoneInfo("UTC"))), form), methods=("POST",))
    )
    # Nobody is signed in, so it is not asked.
    app.state.services = {Sessions: None}
    with served(Gateway(app, Runtime(ZoneInfo("UTC")))) as url, slow_reader(url) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 500\r\n\r\na".encode())
        answer = read_to_the_end(client)

    # The counts are the process's; another test would write them.
    take_refusals()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
