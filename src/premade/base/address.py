"""Whom an address of a client stands for, where tries are counted by address. Pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
"""What one customer of a provider gets at least (RFC 6177), with 2^64 addresses to choose from."""
_ADDRESSES_KEPT_MAX = 10_000


@lru_cache(_ADDRESSES_KEPT_MAX)
def counted_address(host: str) -> str:
    """An IPv4 address as it is, also where IPv6 carries it; of an IPv6 address its /64; what is no address, as it is."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
