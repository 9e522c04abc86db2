"""Limits on the client connections of one process, in all and by address, and whether the process is stopping."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from premade.runtime.logging import log

FILES_KEPT_BACK = 128
"""Open files of a process that are reserved for other things than clients: log, database, exports."""
NO_LIMIT = 1_000_000
OVER_PART = 0.9
"""A limit counts as no longer reached below this fraction of it, so that the log does not flap."""
IPV6_NETWORK_BITS = 64
"""A network of this size belongs to one client."""

Network = IPv4Network | IPv6Network


def networks(given: str) -> list[Network]:
    """Parse addresses and networks, separated by commas."""
    return [ip_network(part.strip()) for part in given.split(",") if part.strip()]


@dataclass
class Clients:
    """Count connections and refuse those over a limit. The log has one line when a limit is reached, one when it no longer is."""

    connections_max: int = NO_LIMIT
    per_address_max: int = NO_LIMIT
    proxies: Sequence[Network] = ()
    """Many clients come from the address of a proxy, so it has no limit of its own."""
    head_seconds_max: float | None = None
    """How long a request's head may take; None for the protocol's own limit."""
    is_draining: bool = False
    """Whether the process is about to stop: it answers requests, and ends each connection with its next answer."""
    _connections: int = 0
    _by_address: Counter[str] = field(default_factory=Counter[str])
    _is_full: bool = False
    _full_addresses: set[str] = field(default_factory=set[str])

    def enter(self, address: str) -> bool:
        """Count a connection; return whether it is within the limits. Each call needs one of `leave`."""
        who = self._who(address)
        self._connections += 1
        self._by_address[who] += bool(who)
        if self._connections > self.connections_max:
            if not self._is_full:
                self._is_full = True
                log.warning("connections.limit_met", connections_max=self.connections_max)
            return False
        if self._by_address[who] > self.per_address_max:
            if not self._full_addresses:
                log.warning("connections.address_limit_met", per_address_max=self.per_address_max)
            self._full_addresses.add(who)
            return False
        return True

    def leave(self, address: str) -> None:
        """Count a connection that has ended."""
        who = self._who(address)
        self._connections -= 1
        self._by_address[who] -= bool(who)
        if self._is_full and self._connections <= self.connections_max * OVER_PART:
            self._is_full = False
            log.info("connections.limit_over", connections=self._connections)
        if who in self._full_addresses and self._by_address[who] <= self.per_address_max * OVER_PART:
            self._full_addresses.discard(who)
            if not self._full_addresses:
                log.info("connections.address_limit_over", connections=self._connections)
        if not self._by_address[who]:
            del self._by_address[who]

    @property
    def excess(self) -> int:
        """Number of connections over the limit."""
        return self._connections - self.connections_max

    def _who(self, address: str) -> str:
        """Return the key by which the address is counted; empty if it has no limit."""
        if self.per_address_max == NO_LIMIT or not address:
            return ""
        found = _parsed(address)
        if found is None or any(found in proxy for proxy in self.proxies):
            return ""
        if isinstance(found, IPv6Address):
            return str(IPv6Network((found, IPV6_NETWORK_BITS), strict=False))
        return str(found)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found
