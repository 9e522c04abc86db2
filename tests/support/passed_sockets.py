"""A listening socket that a service gets as systemd passes it, and that outlives the service."""

import fcntl
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

HIGH_FD = 50
PASS_SOCKETS = """
import os, sys
passed = [int(number) for number in sys.argv[1].split(",")]
for place, number in enumerate(passed, 3):
    os.dup2(number, place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": "premade.socket"}
os.execv(sys.executable, [sys.executable, "-m", "premade", *sys.argv[2:]])
"""


def with_sockets(*passed: int) -> tuple[str, ...]:
    """The beginning of a command that gets these sockets as systemd passes them: from file descriptor 3 on."""
    return (sys.executable, "-c", PASS_SOCKETS, ",".join(map(str, passed)))


@contextmanager
def passable(bound: socket.socket) -> Generator[int]:
    """A copy of the socket with a high number, so that it is none of those that it is passed as."""
    number = fcntl.fcntl(bound.fileno(), fcntl.F_DUPFD, HIGH_FD)
    with socket.socket(fileno=number):
        yield number
