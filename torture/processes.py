"""Signals to processes, some of which may have ended meanwhile."""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

END_SECONDS_MAX = 10.0
"""Time for a killed process to end."""
POLL_SECONDS = 0.002


def send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    """Send a signal to those that still run. After SIGKILL, wait until they have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    if number is signal.SIGKILL:
        # A large process takes a moment to end. Who starts it again must not believe that it still runs.
        deadline = time.monotonic() + END_SECONDS_MAX
        while any(map(_lives, processes)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    """Return the command line, or an empty text for a process that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
