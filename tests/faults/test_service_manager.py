"""The service as systemd starts it: on a socket that outlives the service, with reports to the service manager."""

import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.passed_sockets import passable, with_sockets
from support.processes import wait_until
from support.service import environment_for, running_service
from support.wire import get

CLIENTS = 4
ANSWERS_MIN = 100
PAUSE_SECONDS = 0.005
"""Between two requests of a client, so that the services have processor time to start."""
WATCHDOG_MICROSECONDS = 1_000_000


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as bound:
        yield bound


class Reports:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.states: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address}")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while state := self._socket.recv(4096):
            self.states += state.decode().splitlines()


@pytest.mark.nightly
def test_a_restart_on_a_passed_socket_answers_every_connection(
    own_dsn: str, tmp_path: Path, listening: socket.socket
) -> None:
    answers: Counter[str] = Counter()
    stop = threading.Event()
    reports = Reports(f"premade-tests-{tmp_path}")
    environment = environment_for(
        own_dsn,
        NOTIFY_SOCKET=f"@premade-tests-{tmp_path}",
        WATCHDOG_USEC=str(WATCHDOG_MICROSECONDS),
        PREMADE_DRAIN_SECONDS="0",
    )

    def send_requests() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(listening.getsockname(), timeout=60) as client:
                    client.sendall(get("/healthz", Connection="close"))
                    answer = b"".join(iter(lambda: client.recv(65536), b""))
                answers["answered" if answer.startswith(b"HTTP/1.1 200") else "empty"] += 1
            except OSError as error:
                answers[type(error).__name__] += 1
            stop.wait(PAUSE_SECONDS)

    with passable(listening) as number, ThreadPoolExecutor() as pool, ExitStack() as at_end:
        at_end.callback(stop.set)
        command = with_sockets(number)
        with running_service(
            environment, tmp_path / "first", command=command, pass_fds=(number,), workers=1
        ) as first:
            assert first.url == f"http://127.0.0.1:{listening.getsockname()[1]}"
            running = [pool.submit(send_requests) for _ in range(CLIENTS)]
            wait_until(lambda: answers["answered"] >= ANSWERS_MIN, "nobody is answered")
            wait_until(
                lambda: "READY=1" in reports.states, "the service manager does not learn that it serves"
            )
            wait_until(
                lambda: reports.states.count("WATCHDOG=1") > 1, "the service manager gets no sign of life"
            )
        assert first.process.returncode == 0
        assert "STOPPING=1" in reports.states
        between = answers["answered"]
        with running_service(
            environment, tmp_path / "second", command=command, pass_fds=(number,), workers=1
        ):
            wait_until(lambda: answers["answered"] >= between + ANSWERS_MIN, "nobody is answered again")
            stop.set()
            for each in running:
                each.result()
    assert set(answers) == {"answered"}, answers


@pytest.mark.nightly
def test_a_socket_that_the_service_cannot_use_is_refused_with_the_remedy(
    dsn: str, listening: socket.socket
) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
    ):
        datagrams.bind(("127.0.0.1", 0))
        for passed, message in (
            (
                (listening, listening),
                "passed 2 sockets, but the service listens on one. Keep one ListenStream=",
            ),
            ((datagrams,), "not a listening TCP socket. Set ListenStream="),
            ((local,), "not a listening TCP socket. Set ListenStream="),
        ):
            with passable(passed[0]) as number:
                refused = subprocess.run(
                    [*with_sockets(*[number] * len(passed)), "serve", "--metrics-port", "0"],
                    env=environment_for(dsn), capture_output=True, text=True, check=False, timeout=60,
                    pass_fds=(number,),
                )  # fmt: skip
            assert refused.returncode == 1
            assert message in refused.stderr
            assert "Traceback" not in refused.stderr


@pytest.mark.nightly
def test_variables_for_another_process_are_ignored(dsn: str, tmp_path: Path) -> None:
    """A shell between systemd and the service has its own process id."""
    environment = environment_for(dsn, LISTEN_PID="1", LISTEN_FDS="1", WATCHDOG_PID="1", WATCHDOG_USEC="1")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        assert service.url
