"""The client's address, in the form by which its attempts are counted."""

from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
"""The smallest network that a provider gives one customer (RFC 6177): 2^64 addresses of one client."""
_ADDRESSES_KEPT_MAX = 10_000
current_client_host: ContextVar[str] = ContextVar("current_client_host", default="")
"""The whole address of the client whose request is being handled; empty in commands and background tasks."""


def current_client_address() -> str | None:
    """Return the address of the client whose request is being handled, or None outside of requests."""
    return counted_address(current_client_host.get()) or None


def parsed_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a host, an IPv4 address if it is mapped into IPv6; None if it is no address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


@lru_cache(_ADDRESSES_KEPT_MAX)
def counted_address(host: str) -> str:
    """Return an IPv4 address (also one mapped into IPv6), the /64 of an IPv6 address, or any other text unchanged."""
    address = parsed_address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
    return host if address is None else str(address)
