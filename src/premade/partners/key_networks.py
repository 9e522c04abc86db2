"""The networks from which an API key works. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text

NETWORKS_MAX = 50
_MAPPED_PREFIX_BITS = 96
"""IPv4 addresses within IPv6 (RFC 4291, 2.5.5.2) differ from this bit on."""
_KEPT_MAX = 10_000

Network = IPv4Network | IPv6Network


def checked_networks(texts: Sequence[str]) -> list[str]:
    """Return addresses and networks as they are stored, each once.

    Raises:
        Invalid: for the field `network`.
    """
    if len(texts) > NETWORKS_MAX:
        raise Invalid([FieldError("network", field_text("partner.networks", most=NETWORKS_MAX))])
    return list(dict.fromkeys(str(_network(text.strip())) for text in texts))


def _network(text: str) -> Network:
    try:
        return _without_mapping(ip_network(text))
    except ValueError:
        raise Invalid([FieldError("network", field_text("partner.network", network=text))]) from None


def _without_mapping(network: Network) -> Network:
    """Return a network of IPv4 addresses that are mapped into IPv6 as one of IPv4."""
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network


@lru_cache(_KEPT_MAX)
def is_within(host: str, networks: tuple[str, ...]) -> bool:
    """Return whether the client's address is in one of the networks."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in networks)
