"""Limits on the client connections of one process, in total and by address; and whether the process is stopping."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from premade.http.client_address import counted_address, parsed_address
from premade.runtime.logging import log

FILES_KEPT_BACK = 128
"""Open files reserved for everything but clients: log, database, exports."""
NO_LIMIT = 1_000_000
OVER_PART = 0.9
"""A limit counts as over only below this fraction of it, so that connections near it do not fill the log."""

Network = IPv4Network | IPv6Network


def networks(text: str) -> list[Network]:
    """Parse addresses and networks, separated by commas."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


@dataclass
class Clients:
    """Count connections and refuse those over a limit. The log gets one line when a limit is reached, and one when it is over."""

    connections_max: int = NO_LIMIT
    per_address_max: int = NO_LIMIT
    proxies: Sequence[Network] = ()
    """Addresses of proxies have no limit of their own: many clients come from them."""
    head_seconds_max: float | None = None
    """Limit for a request's head; None: HEAD_SECONDS_MAX of `protocol.py`."""
    is_draining: bool = False
    """Whether the process is about to stop: it answers requests, and ends each connection with its next answer."""
    _connections: int = 0
    _by_address: Counter[str] = field(default_factory=Counter[str])
    _requests_of: Counter[str] = field(default_factory=Counter[str])
    """Requests in progress by address: behind a proxy, those of one client come over many connections."""
    _is_full: bool = False
    _full_addresses: set[str] = field(default_factory=set[str])

    def enter(self, address: str) -> bool:
        """Count a connection; return whether it is within the limits. Call `leave` when it ends, in both cases."""
        key = self._counted(address)
        self._connections += 1
        self._by_address[key] += bool(key)
        if self._connections > self.connections_max:
            if not self._is_full:
                self._is_full = True
                log.warning("connections.limit_met", connections_max=self.connections_max)
            return False
        if self._by_address[key] > self.per_address_max:
            if not self._full_addresses:
                log.warning("connections.address_limit_met", per_address_max=self.per_address_max)
            self._full_addresses.add(key)
            return False
        return True

    def leave(self, address: str) -> None:
        """Count a connection that has ended."""
        key = self._counted(address)
        self._connections -= 1
        self._by_address[key] -= bool(key)
        if self._is_full and self._connections <= self.connections_max * OVER_PART:
            self._is_full = False
            log.warning("connections.limit_over", connections=self._connections)
        if key in self._full_addresses and self._by_address[key] <= self.per_address_max * OVER_PART:
            self._full_addresses.discard(key)
            if not self._full_addresses:
                log.warning("connections.address_limit_over", connections=self._connections)
        if not self._by_address[key]:
            del self._by_address[key]

    def begin_request(self, address: str) -> bool:
        """Count a request in progress; return whether its client is within the limit. Call `end_request` in both cases."""
        key = self._counted(address)
        self._requests_of[key] += bool(key)
        return self._requests_of[key] <= self.per_address_max

    def end_request(self, address: str) -> None:
        """Count a request that has ended."""
        key = self._counted(address)
        self._requests_of[key] -= bool(key)
        if not self._requests_of[key]:
            del self._requests_of[key]

    @property
    def excess(self) -> int:
        """Number of connections over the limit."""
        return self._connections - self.connections_max

    def _counted(self, address: str) -> str:
        """Return the key by which the address is counted; empty if it has no limit."""
        if self.per_address_max == NO_LIMIT or not address:
            return ""
        ip = parsed_address(address)
        if ip is None or any(ip in proxy for proxy in self.proxies):
            return ""
        return counted_address(address)
