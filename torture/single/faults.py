"""What can break on one machine. A new kind is one function: it breaks something, and returns how to repair it."""

import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

import psycopg

from torture.fault import Fault, Repair, nothing
from torture.processes import send
from torture.single.place import Place
from torture.single.proxy import Network, Proxy

Part = Literal["service", "database", "disk", "network", "clock", "sessions", "clients"]
"""What a fault breaks. Two faults at once break different parts."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault, and where it is possible."""

    fault: Fault[Place]
    part: Part
    is_possible: Callable[[Place], bool]


KINDS: list[Kind] = []
TWO_AT_ONCE = "two at once"
HOUR, DAY = 3600, 86_400
SILENT_SECONDS = 13.0
"""Longer than the time after which the parent replaces a worker that is silent."""
BETWEEN_SECONDS = 0.7
"""From the first of two faults to the second."""
SLOW_CLIENTS = 60
WAL_PIECE_BYTES = 4 * 1024**2
WAL_SECONDS_MAX = 20.0
SESSION_SECONDS_MAX = 60


def _always(place: Place) -> bool:
    del place
    return True


def _has_disks(place: Place) -> bool:
    return place.data_disk is not None and place.wal_disk is not None


def _has_network(place: Place) -> bool:
    return place.database_network is not None


def _has_clock(place: Place) -> bool:
    return place.clock is not None


def _is_embedded(place: Place) -> bool:
    return place.server.is_with_service


def _kind(
    part: Part, description: str, seconds: float = 3.0, is_possible: Callable[[Place], bool] = _always
) -> Callable[[Callable[[Place], Repair]], Callable[[Place], Repair]]:
    def register(begin: Callable[[Place], Repair]) -> Callable[[Place], Repair]:
        name = begin.__name__.replace("_", " ")
        KINDS.append(Kind(Fault(name, description, begin, seconds), part, is_possible))
        return begin

    return register


# --- The service


@_kind("service", "`kill -9` of a worker", 0.5)
def kill_worker(place: Place) -> Repair:
    send(signal.SIGKILL, place.manager.workers()[:1])
    return nothing


@_kind("service", "`kill -9` of all workers at once", 0.5)
def kill_all_workers(place: Place) -> Repair:
    send(signal.SIGKILL, place.manager.workers())
    return nothing


@_kind("service", "`kill -9` of the process from which workers are forked; it takes them with it", 0.5)
def kill_fork_server(place: Place) -> Repair:
    send(signal.SIGKILL, [] if (fork_server := place.manager.fork_server()) is None else [fork_server])
    return nothing


@_kind("service", "`kill -9` of the parent; the service manager starts the service again", 0.5)
def kill_parent(place: Place) -> Repair:
    send(signal.SIGKILL, [] if (parent := place.manager.parent) is None else [parent])
    return nothing


@_kind("service", "SIGSTOP of a worker, until the parent replaces it", SILENT_SECONDS)
def freeze_worker(place: Place) -> Repair:
    send(signal.SIGSTOP, place.manager.workers()[:1])
    return nothing


@_kind("service", "SIGTERM to the service, and a new start", 0.5)
def restart(place: Place) -> Repair:
    place.manager.restart()
    return nothing


@_kind("service", "SIGHUP: the workers are replaced one by one", 3.0)
def rolling_restart(place: Place) -> Repair:
    send(signal.SIGHUP, [] if (parent := place.manager.parent) is None else [parent])
    return nothing


# --- The database


@_kind("database", "`kill -9` of a backend: PostgreSQL ends all others, and recovers", 0.0)
def kill_backend(place: Place) -> Repair:
    send(signal.SIGKILL, place.server.backends()[:1])
    return place.server.revive


@_kind("database", "`kill -9` of the postmaster; its service manager starts it again", 0.0)
def kill_postmaster(place: Place) -> Repair:
    send(signal.SIGKILL, place.server.processes()[:1])
    return place.server.revive


@_kind("database", "`kill -9` of all processes of PostgreSQL", 0.0)
def kill_postgresql(place: Place) -> Repair:
    send(signal.SIGKILL, place.server.processes())
    return place.server.revive


@_kind(
    "database", "an immediate stop of PostgreSQL (SIGQUIT, as `pg_ctl -m immediate`), and a new start", 1.0
)
def stop_immediately(place: Place) -> Repair:
    send(signal.SIGQUIT, place.server.processes()[:1])
    return place.server.revive


@_kind("database", "SIGSTOP of the postmaster: no new connection, later SIGCONT", 4.0)
def freeze_postmaster(place: Place) -> Repair:
    frozen = place.server.processes()[:1]
    send(signal.SIGSTOP, frozen)
    return partial(send, signal.SIGCONT, frozen)


@_kind("database", "SIGSTOP of all backends, later SIGCONT", 4.0)
def freeze_backends(place: Place) -> Repair:
    frozen = place.server.backends()
    send(signal.SIGSTOP, frozen)
    return partial(send, signal.SIGCONT, frozen)


@_kind("database", "SIGSTOP of all processes of PostgreSQL for longer than a request may take", 12.0)
def freeze_postgresql(place: Place) -> Repair:
    frozen = place.server.processes()
    send(signal.SIGSTOP, frozen)
    return partial(send, signal.SIGCONT, frozen)


# --- Everything


@_kind("service", "`kill -9` of the service and of PostgreSQL at once", 0.5)
def kill_everything(place: Place) -> Repair:
    send(signal.SIGKILL, place.everything())
    return place.server.revive


# --- The disks


@_kind("disk", "the disk of the data is full, later it has space again", 4.0, _has_disks)
def fill_data_disk(place: Place) -> Repair:
    assert place.data_disk is not None
    place.data_disk.fill()
    return _then_clear(place)


@_kind(
    "disk",
    "the disk of the write-ahead log is full until PostgreSQL stops, later it has space again",
    2.0,
    _has_disks,
)
def fill_wal_disk(place: Place) -> Repair:
    assert place.wal_disk is not None
    place.wal_disk.fill()
    _write_wal(place)
    return _then_clear(place)


@_kind(
    "disk",
    "both disks are full while PostgreSQL starts: `kill -9` of it, and space only later",
    4.0,
    _has_disks,
)
def start_on_full_disks(place: Place) -> Repair:
    assert place.data_disk is not None
    assert place.wal_disk is not None
    for disk in (place.data_disk, place.wal_disk):
        disk.fill()
    send(signal.SIGKILL, place.server.processes())
    return _then_clear(place)


def _then_clear(place: Place) -> Repair:
    def repair() -> None:
        for disk in (place.data_disk, place.wal_disk):
            assert disk is not None
            disk.clear()
        place.server.revive()

    return repair


def _write_wal(place: Place) -> None:
    """Write into the log until it has no space left, and PostgreSQL ends."""
    deadline = time.monotonic() + WAL_SECONDS_MAX
    with suppress(psycopg.Error), place.server.connect() as connection:
        while time.monotonic() < deadline:
            connection.execute(
                "SELECT pg_logical_emit_message(false, 'torture', repeat('x', %s))", [WAL_PIECE_BYTES]
            )


# --- The networks


def _break(proxy: Proxy | None, network: Network) -> Repair:
    assert proxy is not None
    proxy.become(network)
    return partial(proxy.become, Network.OPEN)


@_kind("network", "the network between service and database is cut", 3.0, _has_network)
def cut_database(place: Place) -> Repair:
    return _break(place.database_network, Network.CUT)


@_kind(
    "network",
    "the network between service and database passes nothing, and no connection ends",
    12.0,
    _has_network,
)
def stall_database(place: Place) -> Repair:
    return _break(place.database_network, Network.STALLED)


@_kind("network", "the network between service and database is slow", 4.0, _has_network)
def slow_database(place: Place) -> Repair:
    return _break(place.database_network, Network.SLOW)


@_kind("network", "statements reach the database, and results do not come back", 6.0, _has_network)
def deaf_database(place: Place) -> Repair:
    return _break(place.database_network, Network.DEAF)


@_kind("clients", "the network between a quarter of the clients and the service is cut", 2.0)
def cut_clients(place: Place) -> Repair:
    return _break(place.client_network, Network.CUT)


@_kind("clients", "the network between a quarter of the clients and the service passes nothing", 4.0)
def stall_clients(place: Place) -> Repair:
    return _break(place.client_network, Network.STALLED)


@_kind("clients", "the network between a quarter of the clients and the service is slow", 4.0)
def slow_network_of_clients(place: Place) -> Repair:
    return _break(place.client_network, Network.SLOW)


@_kind(
    "clients", "requests of a quarter of the clients are executed, and the responses do not reach them", 4.0
)
def deaf_clients(place: Place) -> Repair:
    """Their connections end, so each of them loses a response."""
    repair = _break(place.client_network, Network.DEAF)

    def end() -> None:
        place.client_network.become(Network.CUT)
        repair()

    return end


# --- The clock


@_kind("clock", "the clock of the machine goes back an hour, later it is right again", 5.0, _has_clock)
def clock_back_an_hour(place: Place) -> Repair:
    return _move_clock(place, -HOUR, with_database=True)


@_kind("clock", "the clock of the machine goes forward a day, later it is right again", 5.0, _has_clock)
def clock_forward_a_day(place: Place) -> Repair:
    return _move_clock(place, DAY, with_database=True)


@_kind(
    "clock", "the clock of the service alone goes forward a day, later it is right again", 4.0, _is_embedded
)
def clock_of_service_forward(place: Place) -> Repair:
    return _move_clock(place, DAY, with_database=False)


def _move_clock(place: Place, seconds: int, *, with_database: bool) -> Repair:
    """The stand-alone server has the same moved clock as the service. The embedded one gets it by a setting."""
    assert place.clock is not None
    is_separate = with_database and place.server.is_with_service
    place.clock.set_ahead(seconds)
    if is_separate:
        _shift_database(place, seconds)

    def repair() -> None:
        assert place.clock is not None
        place.clock.set_ahead(0)
        if is_separate:
            _shift_database(place, 0)

    return repair


def _shift_database(place: Place, seconds: int) -> None:
    deadline = time.monotonic() + SESSION_SECONDS_MAX
    while time.monotonic() < deadline:
        # PostgreSQL may be away, by another fault.
        with suppress(psycopg.OperationalError), place.server.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET premade.clock_shift = '{seconds}s'".encode())
            connection.execute("SELECT pg_reload_conf()")
            return
        time.sleep(0.1)


# --- Other sessions of the database


@_kind("sessions", "other sessions take all connections of PostgreSQL, and those of the service end", 4.0)
def take_all_connections(place: Place) -> Repair:
    sessions = ExitStack()
    with suppress(psycopg.OperationalError):
        first = sessions.enter_context(place.server.connect())
        first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'premade%'"
        )
        while True:
            sessions.enter_context(place.server.connect())
    return _close(sessions)


@_kind("sessions", "another session locks the newest tickets and batches", 6.0)
def lock_rows(place: Place) -> Repair:
    return _lock(
        place,
        "SELECT 1 FROM (SELECT 1 FROM batches ORDER BY created_at DESC LIMIT 100 FOR UPDATE) AS locked",
        "SELECT 1 FROM (SELECT 1 FROM pre_generated_tickets ORDER BY ticket_code DESC LIMIT 1000 FOR UPDATE) AS locked",
    )


@_kind("sessions", "another session locks the stock of all partners", 6.0)
def lock_stock(place: Place) -> Repair:
    return _lock(place, "SELECT 1 FROM allotments FOR UPDATE")


@_kind(
    "sessions", "another session locks the whole table of tickets, for longer than a request may take", 12.0
)
def lock_table(place: Place) -> Repair:
    return _lock(place, "LOCK TABLE pre_generated_tickets IN ACCESS EXCLUSIVE MODE")


def _lock(place: Place, *statements: str) -> Repair:
    sessions = ExitStack()
    with suppress(psycopg.OperationalError):
        session = sessions.enter_context(place.server.connect())
        session.autocommit = False
        for statement in statements:
            session.execute(statement.encode())
    return _close(sessions)


def _close(sessions: ExitStack) -> Repair:
    def close() -> None:
        # PostgreSQL may have ended them, by another fault.
        with suppress(psycopg.Error):
            sessions.close()

    return close


# --- Clients


@_kind("clients", f"{SLOW_CLIENTS} clients send half a request and wait", 4.0)
def slow_clients(place: Place) -> Repair:
    half = b"POST /api/ota/orders HTTP/1.1\r\nHost: here\r\nContent-Length: 500\r\n\r\n{"
    sockets: list[socket.socket] = []
    for _ in range(SLOW_CLIENTS):
        with suppress(OSError):
            client = socket.create_connection(("127.0.0.1", place.manager.port), timeout=2)
            client.sendall(half)
            sockets.append(client)

    def close() -> None:
        for client in sockets:
            client.close()

    return close


@_kind("clients", "eight times as many clients send requests without pauses", 5.0)
def overload(place: Place) -> Repair:
    return place.more_clients()


def possible(place: Place) -> list[Kind]:
    """Return the kinds that are possible here."""
    return [kind for kind in KINDS if kind.is_possible(place)]


def two_at_once(kinds: list[Kind], choice: random.Random) -> Fault[Place]:
    """Return a fault that consists of two kinds, which break different parts."""
    first = choice.choice(kinds)
    second = choice.choice([kind for kind in kinds if kind.part != first.part])

    def begin(place: Place) -> Repair:
        repair_first = first.fault.begin(place)
        time.sleep(BETWEEN_SECONDS)
        repair_second = second.fault.begin(place)

        def repair() -> None:
            # Together: the repair of one may need that of the other.
            repairs = [threading.Thread(target=each) for each in (repair_first, repair_second)]
            for each in repairs:
                each.start()
            for each in repairs:
                each.join()

        return repair

    return Fault(
        TWO_AT_ONCE,
        f"{first.fault.name} and {second.fault.name}",
        begin,
        max(first.fault.seconds, second.fault.seconds),
    )
