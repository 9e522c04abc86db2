"""HTTP by hand, over sockets: thousands of requests that wait, pipelined ones, one whose client hangs up."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlsplit

import httpx

from support.plain_http import NO_TLS
from support.race import wait_until_something_waits_for_a_row
from support.service import Service
from support.shop import Seller, Shop, sale

ANSWER_SECONDS_MAX = 30


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def get(path: str, **headers: str) -> bytes:
    return _request("GET", path, headers, b"")


def post(path: str, body: object, **headers: str) -> bytes:
    return _request("POST", path, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())


def activation(seller: Seller, code: str, *, headers: dict[str, str] | None = None, **customer: str) -> bytes:
    """POST activate, as Seller.activate does it."""
    told = {"X-API-Key": seller.key, "Content-Type": "application/json", **(headers or {})}
    return _request("POST", f"/api/ota/tickets/{code}/activate", told, json.dumps(sale(**customer)).encode())


def _request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Wire:
    """One connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, request: bytes) -> "Wire":
        self.writer.write(request)
        return self

    async def answer(self) -> Answer:
        """The next one; its length must be said."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, _, lines = head.partition(b"\r\n")
            headers = {
                name.lower(): value
                for name, value in BytesParser().parsebytes(lines, headersonly=True).items()
            }
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, body)

    async def is_closed_by_the_service(self) -> bool:
        """Whether nothing more comes."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await self.reader.read() == b""

    def hang_up(self) -> None:
        """At once, as when a process dies or a network breaks."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def wires(service: Service, count: int) -> AsyncGenerator[list[Wire]]:
    """So many connections."""
    address = urlsplit(service.url)
    opened: list[Wire] = []
    try:
        while len(opened) < count:
            opened.append(Wire(*await asyncio.open_connection(address.hostname, address.port)))
        yield opened
    finally:
        for wire in opened:
            wire.writer.close()


def exchange(service: Service, request: bytes) -> bytes:
    """Everything that comes back until the service closes the connection."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=ANSWER_SECONDS_MAX) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(64 * 1024), b""))


def wait_until_all_has_arrived(service: Service, others: int = 2) -> None:
    """A worker that is alone takes what is there in its turn; what was sent before has been taken when so many `others`
    are answered.
    """
    # What is in the clear needs none of the machine's certificates, which take long to read.
    with httpx.Client(base_url=service.url, trust_env=False, verify=NO_TLS) as client:
        for _ in range(others):
            assert client.get("/healthz").status_code == 200


async def send_behind(
    service: Service, shop: Shop, first: Wire, rest: list[tuple[Wire, bytes]], request: bytes
) -> None:
    """The `request` over `first`, whose statement waits for a lock that the caller has; meanwhile the `rest`, so that
    they wait in the queue. One worker.
    """
    first.send(request)
    await asyncio.to_thread(wait_until_something_waits_for_a_row, shop)
    for wire, one in rest:
        wire.send(one)
    await asyncio.to_thread(wait_until_all_has_arrived, service)
