"""The service manager (systemd): the listening socket that it passes to the service, and the reports it gets in return.

Without a service manager the environment has none of these variables, and everything here does nothing.
"""

import os
import socket
import time
from contextlib import suppress

from premade.runtime.errors import CommandError

FIRST_PASSED_FD = 3
"""Where passed sockets begin: sd_listen_fds(3)."""
_REPORTS_PER_WATCHDOG_TIME = 4
_MICROSECONDS = 1_000_000


class PassedSocketUnusable(CommandError):
    """The service manager passed something that the service cannot listen on."""

    code = "CANNOT_START"


class ServiceManager:
    """The service manager that started this process, if any.

    It reads the variables LISTEN_*, NOTIFY_SOCKET and WATCHDOG_* once and removes them, so that no child uses them.
    """

    def __init__(self) -> None:
        ours = str(os.getpid())
        # A process in between may have set the variables for itself.
        passed = _pop("LISTEN_FDS") if _pop("LISTEN_PID") == ours else ""
        watched = _pop("WATCHDOG_USEC") if _pop("WATCHDOG_PID") in ("", ours) else ""
        _pop("LISTEN_FDNAMES")
        self._passed = int(passed or 0)
        self._address = _pop("NOTIFY_SOCKET")
        self._report_every_seconds = int(watched or 0) / _MICROSECONDS / _REPORTS_PER_WATCHDOG_TIME
        self._reported_at = 0.0

    @property
    def keeps_socket(self) -> bool:
        """Whether the service manager keeps the listening socket open when the service ends."""
        return self._passed > 0

    def listening_socket(self) -> socket.socket | None:
        """Return the socket that was passed, already listening; None if none was passed.

        Raises:
            PassedSocketUnusable: several were passed, or no listening TCP socket.
        """
        if not self._passed:
            return None
        if self._passed > 1:
            raise PassedSocketUnusable("several_sockets", count=self._passed)
        try:
            passed = socket.socket(fileno=FIRST_PASSED_FD)
            listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            raise PassedSocketUnusable("socket_kind") from None
        if not listens or passed.family not in (socket.AF_INET, socket.AF_INET6):
            raise PassedSocketUnusable("socket_kind")
        passed.set_inheritable(False)
        return passed

    def ready(self, status: str) -> None:
        """Report that the service serves."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Report that the service stops."""
        self._send("STOPPING=1\nSTATUS=Sends pending responses")

    def alive(self) -> None:
        """Report that the service does not hang. Call it often; most calls send nothing."""
        now = time.monotonic()
        if self._report_every_seconds and now - self._reported_at >= self._report_every_seconds:
            self._reported_at = now
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is abstract: it has no file.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # A service manager that restarts must not end the service.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reports:
            reports.sendto(state.encode(), address)


def _pop(name: str) -> str:
    return os.environ.pop(name, "")
