"""The name of a connection in `pg_stat_activity`: which version, what kind of process, on which machine, with which id."""

import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Literal, cast

ProcessKind = Literal["worker", "metrics", "command"]
"""A worker; the parent of the workers, which reads the metrics; a command of the operator."""
NAME_BYTES_MAX = 63
"""PostgreSQL cuts longer names off."""
_NAME = re.compile(r"premade (?P<version>\S+) (?P<kind>worker|metrics|command) (?P<host>\S+) (?P<pid>\d+)")
_NOT_PRINTABLE_ASCII = re.compile(r"[^!-~]")


@dataclass(frozen=True)
class ConnectedProcess:
    """A process as its connections name it."""

    version: str
    kind: ProcessKind
    host: str
    pid: int

    @property
    def application_name(self) -> str:
        """The name for PostgreSQL. A long name of a machine is cut off."""
        start, end = f"premade {self.version} {self.kind} ", f" {self.pid}"
        return f"{start}{self.host[: NAME_BYTES_MAX - len(start) - len(end)]}{end}"


@cache
def _host() -> str:
    return _NOT_PRINTABLE_ASCII.sub("?", socket.gethostname()) or "?"


def this_process(kind: ProcessKind) -> ConnectedProcess:
    """Return the name of this process."""
    return ConnectedProcess(version("premade"), kind, _host(), os.getpid())


def process_of(application_name: str) -> ConnectedProcess | None:
    """Return the process that a name stands for. None for other programs, and for premade up to 0.1.0."""
    found = _NAME.fullmatch(application_name)
    if found is None:
        return None
    return ConnectedProcess(
        found["version"], cast("ProcessKind", found["kind"]), found["host"], int(found["pid"])
    )
