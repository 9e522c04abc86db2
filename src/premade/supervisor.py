"""The parent process: it starts the workers, replaces those that end or hang, and stops them in order."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from types import FrameType

from premade.runtime.kernel import let_nobody_else_connect
from premade.runtime.logging import log
from premade.runtime.service_manager import ServiceManager

BEAT, SERVING = b".", b"+"
"""Messages of a worker: its event loop runs; it now answers requests."""
DRAIN, STOP = b"d", b"s"
"""Messages to a worker: become not ready and end connections with their next answer; stop."""

BEAT_EVERY_SECONDS = 1.0
SILENT_SECONDS_MAX = 10.0
"""A worker that is silent for longer hangs, and is replaced."""
START_SECONDS_MAX = 120.0
"""Limit for a worker's first message: on a busy machine the imports alone take a while."""
STABLE_SECONDS = 10.0
"""After a worker that ended sooner, the pause before the next start doubles, up to RESTART_SECONDS_MAX."""
RESTART_SECONDS_MIN = 0.25
RESTART_SECONDS_MAX = 10.0
ACCEPT_SECONDS_MAX = 1.0
"""When the service stops: time for the workers to accept the connections in the kernel's queue."""
STOP_SILENT_SECONDS_MAX = 4.0
"""When the service stops, a worker that is silent for longer is killed."""
STOP_SECONDS_MAX = 24.0
"""When the service stops: time for a worker to send its pending answers and to end."""
LOOK_EVERY_SECONDS = 0.25

Run = Callable[[socket.socket, socket.socket], None]
"""The main function of a worker: it gets the listening socket and its channel."""


@dataclass(eq=False)
class _Worker:
    process: ForkServerProcess
    channel: socket.socket
    started_at: float
    heard_at: float | None = None
    is_serving: bool = False
    is_leaving: bool = False
    sent: bytes = b""

    def send_once(self, message: bytes) -> None:
        if message not in self.sent:
            self.sent += message
            # A worker that hangs reads nothing; one that has ended is removed by the next `_look`.
            with suppress(OSError):
                self.channel.send(message)

    def silent_seconds(self, now: float) -> float:
        return now - (self.started_at if self.heard_at is None else self.heard_at)


class Supervisor:
    """Keep `count` workers running on one socket. Only a signal ends it."""

    def __init__(
        self,
        listening: socket.socket,
        run: Run,
        count: int,
        manager: ServiceManager,
        *,
        drain_seconds: float,
        when_serving: Callable[[], None],
    ) -> None:
        """`drain_seconds`: how long workers are not ready before they stop. `when_serving` is called when the first one serves."""
        self._fork_server = get_context("forkserver")
        self._fork_server.set_forkserver_preload(["premade.fork_server"])
        self._listening = listening
        self._run = run
        self._count = count
        self._manager = manager
        self._drain_seconds = drain_seconds
        self._when_serving = when_serving
        self._has_served = False
        self._workers: list[_Worker] = []
        self._to_replace: list[_Worker] = []
        self._quick_ends = 0
        self._start_not_before = 0.0
        self._signals: list[int] = []
        self._wake_in, self._wake_out = os.pipe()
        self.ends = 0
        """Number of workers that ended unexpectedly."""

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. SIGHUP replaces the workers one by one."""
        for name in (self._wake_in, self._wake_out):
            os.set_blocking(name, False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        try:
            while not self._must_stop():
                self._keep_count()
                self._look()
                self._end_silent(SILENT_SECONDS_MAX)
                self._replace_next()
            self._stop()
        finally:
            for worker in self._workers:
                worker.process.kill()

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
        with suppress(OSError):
            os.write(self._wake_out, b"\0")

    def _must_stop(self) -> bool:
        if signal.SIGHUP in self._signals:
            self._signals = [number for number in self._signals if number != signal.SIGHUP]
            log.info("workers.replaced_one_by_one")
            self._to_replace = [worker for worker in self._workers if not worker.is_leaving]
        return bool(self._signals)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process = self._fork_server.Process(target=self._run, args=(self._listening, theirs))
        try:
            process.start()
        except (OSError, EOFError) as error:
            # The fork server was killed or could not start. The next attempt starts another one.
            ours.close()
            log.error("worker.not_started", reason=repr(error), next_in_seconds=self._pause_after_end(0))
        else:
            self._workers.append(_Worker(process, ours, time.monotonic()))
        finally:
            theirs.close()

    def _look(self, seconds_max: float = LOOK_EVERY_SECONDS) -> None:
        """Wait for a message, the end of a worker or a signal, and record it."""
        self._manager.alive()
        channels = {worker.channel: worker for worker in self._workers}
        ends = {worker.process.sentinel: worker for worker in self._workers}
        ready = wait([self._wake_in, *channels, *ends], seconds_max)
        if self._wake_in in ready:
            os.read(self._wake_in, 4096)
        for channel, worker in channels.items():
            if channel in ready:
                self._receive(worker)
        for end, worker in ends.items():
            if end in ready:
                self._remove_ended(worker)

    def _receive(self, worker: _Worker) -> None:
        try:
            messages = worker.channel.recv(4096)
        except OSError:
            return
        if not messages:
            return
        worker.heard_at = time.monotonic()
        if SERVING in messages:
            worker.is_serving = True
            log.info("worker.serves", pid=worker.process.pid)
            if not self._has_served:
                self._has_served = True
                self._when_serving()

    def _remove_ended(self, worker: _Worker) -> None:
        worker.process.join()
        worker.channel.close()
        self._workers.remove(worker)
        if worker in self._to_replace:
            self._to_replace.remove(worker)
        if worker.is_leaving:
            return
        lived = time.monotonic() - worker.started_at
        self.ends += 1
        log.error(
            "worker.ended",
            pid=worker.process.pid,
            exit_code=worker.process.exitcode,
            lived_seconds=round(lived, 1),
            next_in_seconds=self._pause_after_end(lived),
        )

    def _pause_after_end(self, lived_seconds: float) -> float:
        """Decide when the next worker may start after one that lived so long; return the pause, in seconds."""
        self._quick_ends = self._quick_ends + 1 if lived_seconds < STABLE_SECONDS else 0
        pause = min(RESTART_SECONDS_MIN * 2**self._quick_ends, RESTART_SECONDS_MAX) if self._quick_ends else 0
        self._start_not_before = time.monotonic() + pause
        return pause

    def _end_silent(self, seconds_max: float) -> None:
        """Kill workers that are silent for too long. Only SIGKILL ends a process that hangs or is stopped."""
        now = time.monotonic()
        for worker in self._workers:
            limit = START_SECONDS_MAX if worker.heard_at is None else seconds_max
            if worker.silent_seconds(now) > limit and worker.process.is_alive():
                log.error(
                    "worker.silent",
                    pid=worker.process.pid,
                    silent_seconds=round(worker.silent_seconds(now), 1),
                )
                worker.process.kill()
                # Do not kill it twice; the next `_look` records its end.
                worker.heard_at = now

    def _keep_count(self) -> None:
        missing = self._count - sum(not worker.is_leaving for worker in self._workers)
        for _ in range(missing):
            if time.monotonic() >= self._start_not_before:
                self._start()

    def _replace_next(self) -> None:
        """Replace workers one at a time: a worker leaves when its replacement serves."""
        if any(not worker.is_serving for worker in self._workers):
            return
        leaving = [worker for worker in self._workers if worker.is_leaving]
        for worker in leaving:
            worker.send_once(STOP)
        if self._to_replace and not leaving:
            self._to_replace.pop(0).is_leaving = True

    def _stop(self) -> None:
        """Stop in order: not ready; no new connections; pending answers are sent; the workers end."""
        log.info("service.stops")
        self._manager.stopping()
        for worker in self._workers:
            worker.is_leaving = True
            worker.send_once(DRAIN)
            if worker.heard_at is None:
                # It has not started serving, so it has no pending answers.
                worker.process.kill()
        self._look_until(time.monotonic() + self._drain_seconds, STOP_SILENT_SECONDS_MAX)
        if not self._manager.keeps_socket:
            # A socket that the service manager keeps has a queue that the next process takes over.
            let_nobody_else_connect(self._listening, ACCEPT_SECONDS_MAX)
        self._listening.close()
        for worker in self._workers:
            worker.send_once(STOP)
        self._look_until(time.monotonic() + STOP_SECONDS_MAX, STOP_SILENT_SECONDS_MAX)
        for worker in self._workers:
            log.error("worker.left_behind", pid=worker.process.pid)
            worker.process.kill()
            worker.process.join()
        log.info("service.stopped")

    def _look_until(self, deadline: float, silent_seconds_max: float) -> None:
        """Watch the workers until the deadline, until none is left, or until a second Ctrl-C."""
        while self._workers and (left := deadline - time.monotonic()) > 0:
            if self._signals.count(signal.SIGINT) > 1:
                return
            self._look(min(left, LOOK_EVERY_SECONDS))
            self._end_silent(silent_seconds_max)
