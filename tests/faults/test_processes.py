"""The parent and its workers: nothing but a signal ends the service, and a signal ends it without breaking a request."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.plain_http import NO_TLS
from support.postgres import postgres
from support.processes import wait_until, wait_until_gone, workers
from support.service import Service, environment_for, running_service
from support.shop import Shop
from support.wire import get

from premade.bootstrap import bring_up_to_date
from premade.runtime.clock import Runtime
from premade.serve import METRICS_FOLDER
from premade.supervisor import SILENT_SECONDS_MAX, STOP_SILENT_SECONDS_MAX
from premade.worker import SLOW_CLIENT_SECONDS_MAX

SPARE_SECONDS = 6
ASKED_MAX = 1_000
CLIENTS = 8
HALF_A_BODY = b"POST /api/ota/tickets/X/activate HTTP/1.1\r\nHost: here\r\nContent-Length: 500\r\n\r\n{"


def status(service: Service, path: str = "/readyz") -> int:
    """Of a request over a new connection; 0 when there is no answer."""
    try:
        return httpx.get(service.url + path, timeout=20, trust_env=False, verify=NO_TLS).status_code
    except httpx.TransportError:
        return 0


def connected(service: Service) -> socket.socket:
    address = urlsplit(service.url)
    client = socket.create_connection((address.hostname, address.port or 0), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def whole(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def wait_until_all_serve(service: Service, count: int) -> list[psutil.Process]:
    wait_until(lambda: len(workers(service)) == count, "a worker is missing")
    found = workers(service)
    wait_until(lambda: all(len(one.net_connections("tcp")) > 0 for one in found), "a worker does not listen")
    wait_until(lambda: all(_answered(one) for one in found), "a worker does not start")
    return found


def _answered(worker: psutil.Process) -> bool:
    """Its threads beyond the first begin when the settings are read, its database's connections when it serves."""
    return (
        any(each.family == socket.AF_UNIX for each in worker.net_connections("unix"))
        and worker.num_threads() > 1
    )


# --- Without the database


@pytest.mark.nightly
def test_a_worker_that_is_replaced_while_the_database_is_away_does_not_end_the_service(
    own_dsn: str, dsn: str, tmp_path: Path
) -> None:
    name = conninfo_to_dict(own_dsn)["dbname"]
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        seller = Shop(own_dsn, service.url).seller()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            [before] = workers(service)
            before.kill()
            wait_until(lambda: status(service, "/healthz") == 200, "no worker takes its place")
            assert [worker.pid for worker in workers(service)] != [before.pid]
            assert status(service) == 503
            refused = seller.http.get("/api/ota/tickets")
            assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_AWAY")
            assert int(refused.headers["Retry-After"]) > 0
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        wait_until(lambda: status(service) == 200, "it does not come back")
        assert service.process.poll() is None
        changes = [line["event"] for line in service.log_lines() if "service.not_ready" in str(line["event"])]
        assert len(changes) <= 4, changes


@pytest.mark.nightly
def test_the_service_starts_without_its_database_and_is_ready_when_the_schema_is_there(
    postgres_kind: str, home: Path
) -> None:
    with postgres(postgres_kind, home) as dsn:
        pass
    with ExitStack() as later, running_service(environment_for(dsn), home / "log", workers=1) as service:
        assert status(service, "/healthz") == 200
        assert status(service) == 503
        [told] = [line for line in service.log_lines() if line["event"] == "database.away"]
        assert told["level"] == "warning"
        if postgres_kind == "standalone":
            pytest.skip("the folder of a stand-alone server is gone with it")
        later.enter_context(postgres(postgres_kind, home))

        def says(words: str) -> bool:
            return (
                words in httpx.get(f"{service.url}/readyz", timeout=20, trust_env=False, verify=NO_TLS).text
            )

        wait_until(lambda: says("Run 'premade migrate'"), "it does not name the command")
        assert any("premade migrate" in str(line.get("detail")) for line in service.log_lines())
        assert status(service, "/api/ota/tickets") == 401
        bring_up_to_date(dsn, Runtime(ZoneInfo("UTC")))
        wait_until(lambda: status(service) == 200, "it is not ready with the schema there")
        assert Shop(dsn, service.url).seller().generate(1).status_code == 201


# --- Being stopped


@pytest.mark.nightly
def test_no_connection_that_was_let_in_is_reset_by_a_stop(own_dsn: str, tmp_path: Path) -> None:
    ended: Counter[str] = Counter()
    stop = threading.Event()

    def ask(service: Service) -> None:
        while not stop.is_set():
            try:
                client = connected(service)
            except OSError:
                ended["refused"] += 1
                time.sleep(0.01)
                continue
            with client:
                try:
                    client.sendall(get("/healthz", Connection="close"))
                    ended["answered" if whole(client).startswith(b"HTTP/1.1 200") else "nothing"] += 1
                except OSError:
                    ended["reset"] += 1

    with running_service(environment_for(own_dsn), tmp_path / "log") as service, ThreadPoolExecutor() as pool:
        running = [pool.submit(ask, service) for _ in range(CLIENTS)]
        wait_until(lambda: ended["answered"] > 200, "nobody is answered")
        service.process.terminate()
        assert service.process.wait(30) == 0
        stop.set()
        for each in running:
            each.result()
    assert ended["refused"]
    assert (ended["reset"], ended["nothing"]) == (0, 0), ended


@pytest.mark.nightly
def test_it_is_not_ready_first_and_asks_clients_to_connect_elsewhere(own_dsn: str, tmp_path: Path) -> None:
    environment = environment_for(own_dsn, PREMADE_DRAIN_SECONDS="3")
    with (
        running_service(environment, tmp_path / "log", workers=1) as service,
        httpx.Client(base_url=service.url, trust_env=False, verify=NO_TLS) as client,
    ):
        assert client.get("/readyz").status_code == 200
        service.process.terminate()
        wait_until(lambda: client.get("/readyz").status_code == 503, "it stays ready")
        answer = client.get("/healthz")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert client.get("/readyz").json()["code"] == "NOT_READY"
        assert service.process.wait(30) == 0


@pytest.mark.nightly
def test_a_worker_that_stands_still_does_not_delay_a_stop(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        [still, _] = wait_until_all_serve(service, 2)
        still.suspend()
        began = time.monotonic()
        service.process.terminate()
        assert service.process.wait(30) == 0
        assert time.monotonic() - began < STOP_SILENT_SECONDS_MAX + SPARE_SECONDS
        wait_until_gone([still])


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTT", HALF_A_BODY], ids=["nothing", "head", "body"])
@pytest.mark.nightly
def test_a_slow_client_does_not_delay_a_stop(own_dsn: str, tmp_path: Path, sent: bytes) -> None:
    with (
        running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service,
        connected(service) as slow,
    ):
        slow.sendall(sent)
        began = time.monotonic()
        service.process.terminate()
        assert service.process.wait(40) == 0
        assert time.monotonic() - began < SLOW_CLIENT_SECONDS_MAX + SPARE_SECONDS


@pytest.mark.nightly
def test_a_signal_to_every_process_at_once_stops_in_order_too(own_dsn: str, tmp_path: Path) -> None:
    """As a service manager sends it."""
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        children = wait_until_all_serve(service, 2)
        with connected(service) as client:
            for pid in (*[child.pid for child in children], service.process.pid):
                os.kill(pid, signal.SIGTERM)
            # A busy machine delivers a signal a moment later.
            for _ in range(ASKED_MAX):
                client.sendall(get("/readyz"))
                if whole(client).startswith(b"HTTP/1.1 503"):
                    break
            else:
                pytest.fail("a service that stops is ready")
        assert service.process.wait(30) == 0


# --- Going on


@pytest.mark.nightly
def test_a_worker_that_stands_still_is_replaced(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        [still] = wait_until_all_serve(service, 1)
        still.suspend()
        began = time.monotonic()
        wait_until_gone([still])
        assert time.monotonic() - began < SILENT_SECONDS_MAX + SPARE_SECONDS
        wait_until(lambda: status(service) == 200, "nobody takes its place")
        assert [line["event"] for line in service.log_lines()].count("worker.silent") == 1


@pytest.mark.nightly
def test_sighup_replaces_the_workers_while_every_request_is_answered(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        before = wait_until_all_serve(service, 2)
        service.process.send_signal(signal.SIGHUP)
        asked = 0
        deadline = time.monotonic() + 60
        while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in before):
            assert time.monotonic() < deadline
            assert status(service, "/healthz") == 200
            asked += 1
        assert asked
        assert len(wait_until_all_serve(service, 2)) == 2
        assert service.process.poll() is None


@pytest.mark.nightly
def test_workers_are_replaced_with_the_process_they_are_forked_from(own_dsn: str, home: Path) -> None:
    temporary = home / "tmp"
    temporary.mkdir()
    with running_service(environment_for(own_dsn, TMPDIR=str(temporary)), home / "log") as service:
        before = wait_until_all_serve(service, 2)
        [fork_server] = {worker.ppid() for worker in before}
        [folder] = temporary.glob(f"{METRICS_FOLDER}-*")
        folder.rename(home / "away")
        psutil.Process(fork_server).kill()
        wait_until_gone(before)
        wait_until(lambda: "worker.not_started" in service.log.read_text(), "it starts without its folder")
        (home / "away").rename(folder)
        wait_until_all_serve(service, 2)
        assert service.process.poll() is None


@pytest.mark.nightly
def test_a_folder_whose_path_is_too_long_for_a_socket_is_refused(own_dsn: str, home: Path) -> None:
    folder = home / ("long" * 20)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "premade", "serve", "--port", "0", "--metrics-port", "0"],
        env=environment_for(own_dsn, TMPDIR=str(folder)), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{folder}, has {len(str(folder))} bytes. A socket in it may have at most 75." in done.stderr


@pytest.mark.nightly
def test_signals_of_a_whole_group_do_not_end_what_workers_are_forked_from(
    own_dsn: str, tmp_path: Path
) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        before = wait_until_all_serve(service, 2)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(before[0].ppid(), number)
        before[0].kill()
        wait_until_gone(before[:1])
        assert before[1] in wait_until_all_serve(service, 2)


def test_the_kernel_ends_a_process_with_its_parent() -> None:
    child = (
        "import os, time; from premade.runtime.kernel import end_with_parent;"
        "end_with_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        orphan = psutil.Process(int(process.stdout.readline()))
        process.kill()
        wait_until_gone([orphan])


# --- Ports and limits


@pytest.mark.nightly
def test_of_two_services_on_one_port_only_one_says_that_it_serves(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        for options in (
            ["--port", str(urlsplit(service.url).port), "--metrics-port", "0"],
            ["--port", "0", "--metrics-port", str(urlsplit(service.metrics_url).port)],
        ):
            second = subprocess.run(
                [sys.executable, "-m", "premade", "serve", *options],
                env=environment_for(own_dsn), capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert second.returncode == 1
            assert "Cannot listen on 127.0.0.1" in second.stderr
            assert "serves" not in second.stdout


@pytest.mark.nightly
def test_metrics_have_an_address_of_their_own_and_half_requests_take_no_threads(
    own_dsn: str, tmp_path: Path
) -> None:
    program = [sys.executable, "-m", "premade", "serve", "--host", "0.0.0.0", "--port", "0"]
    with subprocess.Popen(
        [*program, "--metrics-port", "0", "--workers", "1"],
        env=environment_for(own_dsn), stdout=subprocess.PIPE, text=True, stderr=(tmp_path / "log").open("w"),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            found = re.search(r"metrics at (http://127\.0\.0\.1:(\d+)/metrics)", process.stdout.readline())
            assert found, "the metrics listen elsewhere than on the loopback"
            url, port = found[1], int(found[2])
            threads = psutil.Process(process.pid).num_threads()
            with ExitStack() as half:
                for _ in range(200):
                    client = half.enter_context(socket.create_connection(("127.0.0.1", port)))
                    client.sendall(b"GET /metr")
                wait_until(lambda: "premade_" in _text(url), "half requests keep the others out for good")
                assert psutil.Process(process.pid).num_threads() <= threads + 2
            assert httpx.get(url.removesuffix("metrics"), trust_env=False, verify=NO_TLS).status_code == 404
            assert httpx.post(url, trust_env=False, verify=NO_TLS).status_code == 405
        finally:
            process.terminate()
            process.wait(30)


def _text(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False, verify=NO_TLS).text
    except httpx.TransportError:
        return ""


@pytest.mark.nightly
def test_an_address_has_a_limit_of_connections_and_one_line_says_that_it_is_met(
    own_dsn: str, tmp_path: Path
) -> None:
    environment = environment_for(own_dsn, PREMADE_CONNECTIONS_PER_ADDRESS_MAX="20")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        with ExitStack() as many:
            clients = [many.enter_context(connected(service)) for _ in range(60)]
            refused = whole(clients[-1])
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"TOO_MANY_CONNECTIONS" in refused
            assert b"retry-after" in refused.lower()
            clients[0].sendall(get("/healthz"))
            assert clients[0].recv(100).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: status(service) == 200, "it goes on refusing")

        def lines(event: str) -> int:
            return [line["event"] for line in service.log_lines()].count(event)

        wait_until(lambda: lines("connections.address_limit_over") == 1, "nothing says that it is over")
        assert lines("connections.address_limit_met") == 1


@pytest.mark.parametrize("name", ["PER_ADDRESS_MAX", "MAX"])
@pytest.mark.nightly
def test_the_limits_of_connections_are_those_of_the_whole_service(
    own_dsn: str, tmp_path: Path, name: str
) -> None:
    """However the kernel spreads them over two workers: no more than the setting says, and not half a worker's share."""
    allowed = 40
    environment = environment_for(own_dsn, None, **{f"PREMADE_CONNECTIONS_{name}": str(allowed)})
    with running_service(environment, tmp_path / "log", workers=2) as service, ExitStack() as many:
        wait_until_all_serve(service, 2)
        admitted = 0
        for _ in range(4 * allowed):
            client = many.enter_context(connected(service))
            client.sendall(get("/healthz"))
            with suppress(ConnectionError):
                admitted += client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert allowed // 4 <= admitted <= allowed


@pytest.mark.nightly
def test_a_trusted_proxy_is_no_single_client(own_dsn: str, tmp_path: Path) -> None:
    environment = environment_for(
        own_dsn, PREMADE_CONNECTIONS_PER_ADDRESS_MAX="20", PREMADE_TRUSTED_PROXIES="127.0.0.0/8"
    )
    with running_service(environment, tmp_path / "log", workers=1) as service, ExitStack() as many:
        clients = [many.enter_context(connected(service)) for _ in range(60)]
        clients[-1].sendall(get("/healthz"))
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.nightly
def test_behind_a_trusted_proxy_the_requests_of_one_address_are_limited(own_dsn: str, tmp_path: Path) -> None:
    limit = 20
    environment = environment_for(
        own_dsn,
        PREMADE_CONNECTIONS_PER_ADDRESS_MAX=str(limit),
        PREMADE_TRUSTED_PROXIES="127.0.0.0/8",
        PREMADE_LOG_LEVEL="warning",
    )

    def of(address: str, request: bytes, more: str = "") -> bytes:
        return request.replace(b"\r\n\r\n", f"\r\nX-Forwarded-For: {address}{more}\r\n\r\n".encode())

    with running_service(environment, tmp_path / "log", workers=1) as service, ExitStack() as many:
        key = Shop(own_dsn, service.url).seller().key
        flood = [many.enter_context(connected(service)) for _ in range(limit)]
        for client in flood:
            client.sendall(of("203.0.113.7", HALF_A_BODY, f"\r\nX-API-Key: {key}"))

        def answer(address: str) -> bytes:
            with connected(service) as client:
                client.sendall(of(address, get("/healthz")))
                return client.recv(2_000)

        wait_until(lambda: answer("203.0.113.7").startswith(b"HTTP/1.1 503 "), "its requests are not limited")
        refused = answer("203.0.113.7")
        assert b"TOO_MANY_CONNECTIONS" in refused
        assert b"retry-after: " in refused.lower()
        assert answer("203.0.113.8").startswith(b"HTTP/1.1 200 ")
        flood.pop().close()
        wait_until(lambda: answer("203.0.113.7").startswith(b"HTTP/1.1 200 "), "ended requests still count")


@pytest.mark.nightly
def test_the_limit_of_open_files_is_raised_and_more_clients_than_files_do_not_end_the_accepting(
    own_dsn: str, tmp_path: Path
) -> None:
    hard = 400
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    environment = environment_for(own_dsn, PREMADE_CONNECTIONS_PER_ADDRESS_MAX="5000")
    shell = (
        "/bin/sh",
        "-c",
        f'ulimit -Sn 100; ulimit -Hn {hard}; exec "$0" "$@"',
        sys.executable,
        "-m",
        "premade",
    )
    with running_service(environment, tmp_path / "log", workers=1, command=shell) as service:
        [worker] = wait_until_all_serve(service, 1)
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        assert re.search(rf"Max open files +{hard} +{hard} ", limits)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
        with ExitStack() as many:
            for _ in range(2 * hard):
                many.enter_context(connected(service))
            wait_until(lambda: worker.num_fds() < hard, "it holds more than it may")
            met = Counter(str(line["event"]) for line in service.log_lines())
            assert met["connections.address_limit_met"] == 1
            assert met["connections.limit_met"] <= 1
        wait_until(lambda: status(service) == 200, "it takes nobody any more")


# --- The embedded database


@pytest.mark.nightly
def test_the_embedded_database_is_started_again_when_it_is_killed_or_its_pid_file_is_lost(home: Path) -> None:
    environment = environment_for(None, home)
    pid_file = home / "postgres" / "cluster" / "postmaster.pid"

    def restarts(service: Service) -> float:
        found = re.search(r"premade_embedded_database_restarts_total ([0-9.]+)", _text(service.metrics_url))
        return float(found[1]) if found else -1

    with running_service(environment, home / "log", workers=1) as service:
        assert restarts(service) == 0
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        wait_until(lambda: restarts(service) == 1, "nobody starts it")
        wait_until(lambda: status(service) == 200, "the service does not find it again")
        pid_file.unlink()
        # A command that uses it in that moment waits for it.
        done = subprocess.run(
            [sys.executable, "-m", "premade", "product", "list", "--json"],
            env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        wait_until(pid_file.exists, "nobody starts it after its file was lost")
        wait_until(lambda: status(service) == 200, "the service does not find it again")
    assert service.process.returncode == 0
    assert not pid_file.exists()
