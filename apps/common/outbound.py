"""Where we may call on somebody's word: public addresses alone, whatever a name resolves to.

A name is resolved once, and every address of the answer is checked: the caller connects to one of those, and asks
nobody again.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable

import certifi

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], Awaitable[list[str]]]
NOT_PUBLIC = "This address is not a public one."
# Clouds' metadata services on addresses that are public by name, and networks that stand for others behind them.
REFUSED = [
    ipaddress.ip_network(network)
    for network in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/32", "2002::/16")
]
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given out of IPv6; IPv4 behind a NAT64 lies outside


class RefusedError(Exception):
    """Says, to the account's people, why nothing is sent there."""


def is_public(text: str) -> bool:
    address = _address(text)
    if address.version == 6 and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast and not is_in(text, REFUSED)


def is_in(text: str, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of them; an IPv4 address written as IPv6 is the IPv4 address."""
    address = _address(text)
    return any(address in network for network in networks)


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, or of an address in any form that the system takes. Raises OSError or UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def resolved(host: str, port: int, *, is_allowed: Callable[[str], bool], look_up: LookUp = look_up) -> list[str]:
    """The addresses to connect to. Raises RefusedError where any that the name has is not allowed, OSError without."""
    addresses = await look_up(host, port)
    if not addresses or not all(map(is_allowed, addresses)):
        raise RefusedError(NOT_PUBLIC)
    return addresses


def trusted_authorities() -> ssl.SSLContext:
    """The machine's authorities, and those that everybody knows. Reads files, for some 20 ms."""
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    return trusted


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
