"""Signals to processes, some of which may have ended meanwhile."""

import signal
from collections.abc import Iterable
from contextlib import suppress

import psutil


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """Send a signal to those that still run."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def command_line(process: psutil.Process) -> str:
    """Return the command line, or an empty text for a process that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
