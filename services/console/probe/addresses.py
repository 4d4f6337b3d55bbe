"""Which servers a test may connect to (server-side request forgery, reliability.md "Test connection"). Pure.

The rules judge resolved addresses, so every spelling of a host (decimal, octal, hex, a name) meets the same ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = frozenset({143, 993, 25, 465, 587, 2525})
"""Where mail servers listen."""

METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
"""Where clouds tell machines their credentials: never, whatever is allowed."""

_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed beside public addresses on mail ports.

    `allow_loopback` is for servers on this machine (any port). `allow_networks` are on-premises networks. `ports`
    extends PORTS. `hide_refusals`: a refused connection takes as long as a filtered one, so that the test cannot be
    used to look around in our network.
    """

    allow_loopback: bool = False
    allow_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset()
    hide_refusals: bool = True


def address_allowed(address: Address, rules: Rules) -> bool:
    """Whether a test may connect there. An address inside another (v4-mapped, NAT64, 6to4) must be allowed itself."""
    return all(_allowed(one, rules) for one in meanings(address))


def port_allowed(port: int, addresses: Iterable[Address], rules: Rules) -> bool:
    """Whether a test may use this port. On this machine any, where loopback is allowed."""
    here = rules.allow_loopback and all(one.is_loopback for address in addresses for one in meanings(address))
    return here or port in PORTS or port in rules.ports


def meanings(address: Address) -> Iterator[Address]:
    """Every address that a packet to this one can reach: itself, or the IPv4 address inside and itself."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield IPv6Address(int(address))  # without a zone
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _allowed(address: Address, rules: Rules) -> bool:
    if address in METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    if any(address.version == one.version and address in one for one in rules.allow_networks):
        return True
    if address.is_loopback:
        return rules.allow_loopback
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return True  # the IPv4 address inside is judged
        if address in _NAT64_LOCAL or address in _COMPATIBLE or address.is_site_local:
            return False
    return address.is_global and not address.is_reserved
