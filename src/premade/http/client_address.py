"""The client's address, in the form by which its attempts are counted."""

from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
"""The smallest network that a provider gives one customer (RFC 6177): 2^64 addresses of one client."""
_ADDRESSES_KEPT_MAX = 10_000
current_client_host: ContextVar[str] = ContextVar("current_client_host", default="")
"""The whole address of the client whose request is being handled; empty in commands and background tasks."""


def current_client_address() -> str | None:
    """Return the address of the client whose request is being handled, or None outside of requests."""
    return counted_address(current_client_host.get()) or None


@lru_cache(_ADDRESSES_KEPT_MAX)
def counted_address(host: str) -> str:
    """Return an IPv4 address (also one mapped into IPv6), the /64 of an IPv6 address, or any other text unchanged."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
