"""File locks between the processes that use one embedded database."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

from premade.postgres.embedded.errors import EmbeddedPostgresError

START_LIMIT_SECONDS = 300.0
"""Includes the recovery after a crash. A server that fails to start is noticed at once, not by this limit."""
STOP_LIMIT_SECONDS = 120.0
LOCK_LIMIT_SECONDS = START_LIMIT_SECONDS + STOP_LIMIT_SECONDS
POLL_SECONDS = 0.01


@contextlib.contextmanager
def exclusive_lock(lock_file: Path) -> Generator[None]:
    """Hold the lock; wait for it first.

    Raises:
        EmbeddedPostgresError: another process held it for longer than starting and stopping may take.
    """
    lock = open_lock(lock_file)
    try:
        if not wait_until(lambda: try_lock(lock), LOCK_LIMIT_SECONDS):
            raise EmbeddedPostgresError("embedded_locked", seconds=LOCK_LIMIT_SECONDS, lock_file=lock_file)
        yield
    finally:
        release(lock)


def shared_lock(lock_file: Path) -> int:
    """Take the lock shared, and return its descriptor. Waits without a limit while another process has it exclusively."""
    lock = open_lock(lock_file)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def open_lock(lock_file: Path) -> int:
    """Open the file without locking it."""
    return os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def try_lock(lock: int) -> bool:
    """Take the lock exclusively if it is free; return whether it was."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(lock: int) -> None:
    """Unlock and close. Closing alone would leave the lock to a child that another thread has forked meanwhile."""
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


def wait_until(condition: Callable[[], bool], limit_seconds: float) -> bool:
    """Call `condition` until it holds; return whether it did within the limit."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
