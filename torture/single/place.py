"""The machine: PostgreSQL on small disks, the service, networks that can break, and partners with keys and stock."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from psycopg.conninfo import make_conninfo
from support.postgres import STANDALONE_BINARIES
from support.processes import wait_until
from support.service import environment_for
from support.shop import PARTNER_PERMISSIONS, Shop

from torture.clients import Account, Client
from torture.disk import MemoryDisk
from torture.fault import Repair, nothing
from torture.journal import Journal
from torture.knowledge import Knowledge
from torture.single.clock import Clock, has_compiler
from torture.single.manager import Manager
from torture.single.proxy import Proxy
from torture.single.server import Embedded, Server, Standalone

KINDS = ("embedded", "stand-alone")
DATA_BYTES, WAL_BYTES = 8 * 1024**3, 2 * 1024**3
READY_SECONDS_MAX = 2.0
"""For an answer of /readyz."""
STOCK = 10_000_000
FUNCTIONS = {"ferry": 2, "gift": 1}


@dataclass(frozen=True)
class Needs:
    """What the machine offers for faults."""

    disks: bool
    clock: bool

    @staticmethod
    def of_this_machine() -> "Needs":
        """Only root on Linux may mount disks."""
        return Needs(disks=sys.platform == "linux" and os.geteuid() == 0, clock=has_compiler())


@dataclass
class Place:
    """What clients, faults and checker need."""

    folder: Path
    server: Server
    manager: Manager
    client_network: Proxy
    database_network: Proxy | None
    """None for the embedded server: the service reaches it by a Unix socket."""
    data_disk: MemoryDisk | None
    wal_disk: MemoryDisk | None
    clock: Clock | None
    """None without a compiler."""
    journal: Journal
    accounts: list[Account] = field(default_factory=list[Account])
    more_clients: Callable[[], Repair] = lambda: nothing
    """Starts many further clients, and returns how to stop them."""

    @property
    def url(self) -> str:
        """Address of the service."""
        return self.manager.url

    @property
    def url_by_network(self) -> str:
        """Address of the service behind the network that can break."""
        return f"http://127.0.0.1:{self.client_network.port}"

    def is_ready(self) -> bool:
        """Return whether /readyz answers 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.manager.port, timeout=READY_SECONDS_MAX)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def everything(self) -> list[psutil.Process]:
        """Return the processes of the service and of the server."""
        service = [self.manager.parent, self.manager.fork_server(), *self.manager.workers()]
        return [*(process for process in service if process is not None), *self.server.processes()]


def missing_kinds() -> list[str]:
    """Return the kinds of servers that this machine does not have."""
    return [] if (STANDALONE_BINARIES / "initdb").exists() else ["stand-alone"]


@contextmanager
def place_with(kind: str, folder: Path, partners: int, needs: Needs) -> Generator[Place]:
    """Start a server of this kind and the service, and add partners."""
    with ExitStack() as stack:
        data, wal = (
            _disk(stack, folder / name, size, needs)
            for name, size in (("data", DATA_BYTES), ("wal", WAL_BYTES))
        )
        clock = Clock.made_in(folder) if needs.clock else None
        preloaded = {} if clock is None else clock.environment
        wal_folder = None if wal is None else wal.folder
        server: Server
        if kind == "embedded":
            server = Embedded(folder / "data", wal_folder)
            database_network, url = None, None
        else:
            server = Standalone(folder / "data", wal_folder, _free_port(), preloaded)
            stack.callback(server.end)
            database_network = stack.enter_context(Proxy("127.0.0.1", server.port).running())
            url = make_conninfo(server.dsn, port=database_network.port)
        # A folder of their own for temporary files: other services on this machine remove those of processes that they cannot see.
        (folder / "tmp").mkdir()
        environment = environment_for(url, folder / "data", TMPDIR=str(folder / "tmp"), **SETTINGS)
        subprocess.run(
            [sys.executable, "-m", "premade", "migrate"],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        leftovers = server.processes if server.is_with_service else list[psutil.Process]
        manager = stack.enter_context(
            Manager({**environment, **preloaded}, folder / "service.log", leftovers).running()
        )
        client_network = stack.enter_context(Proxy("127.0.0.1", manager.port).running())
        journal = Journal(folder / "journal")
        stack.callback(journal.close)
        place = Place(folder, server, manager, client_network, database_network, data, wal, clock, journal)
        wait_until(place.is_ready, "the service is not ready")
        place.accounts += _accounts(Shop(server.dsn, place.url), partners)
        yield place


SETTINGS = {"PREMADE_LOG_LEVEL": "warning"}
"""Of the service. One address sends all requests here, so its limits must not be those for one client."""


def _disk(stack: ExitStack, folder: Path, size_bytes: int, needs: Needs) -> MemoryDisk | None:
    """Make the folder, on a disk of its own if possible."""
    folder.mkdir()
    if not needs.disks:
        return None
    disk = MemoryDisk(folder, size_bytes)
    disk.mount()
    stack.callback(disk.unmount)
    return disk


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


def _accounts(shop: Shop, partners: int) -> Iterator[Account]:
    permissions = [*PARTNER_PERMISSIONS, "gate:redeem"]
    for _ in range(partners):
        seller = shop.seller(stock=STOCK, permissions=permissions, functions=FUNCTIONS)
        seller.http.close()
        yield Account(seller.key, Knowledge(seller.partner_id, seller.product_id, FUNCTIONS))


def clients_of(
    place: Place, count: int, seed: str, retry_seconds_max: float, answer_seconds_max: float
) -> list[Client]:
    """Return so many clients. One of four reaches the service by the network that can break."""
    return [
        Client(
            [place.url_by_network if number % 4 == 3 else place.url],  # noqa: PLR2004
            place.accounts[number % len(place.accounts)],
            place.journal,
            f"{seed}.{number}",
            retry_seconds_max,
            answer_seconds_max,
        )
        for number in range(count)
    ]
