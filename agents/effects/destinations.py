"""Where a request may go: a host is resolved once, and the connection goes to the address that was looked at.

An address that is not public is refused unless the endpoint lists it, so that neither a configuration slip nor a name that turns to
another address reaches what lies inside (server-side request forgery).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from httpx2 import URL, InvalidURL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Reason = Literal["dns", "private_address", "bad_url"]

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """No connection is made; ``reason`` is a name, ``detail`` a sentence."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Destination:
    """A host with the addresses that it has now, all of them allowed."""

    host: str
    port: int
    addresses: tuple[str, ...]


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host as the machine knows them.

    Raises:
        OSError: when it knows none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def destination(url: str, allowed: Sequence[Network] = (), resolving: Resolve = resolve) -> Destination:
    """Where a URL leads.

    Raises:
        Refused: when the URL has no host, the host no address, or any of its addresses is private and not allowed.
    """
    host, port = _place(url)
    try:
        found = await resolving(host, port)
    except (OSError, UnicodeError) as error:
        raise Refused("dns", f"{host}: {getattr(error, 'strerror', None) or 'no such host'}") from None
    if not found:
        raise Refused("dns", f"{host}: the name has no address")
    for text in found:
        if not permitted(text, allowed):
            raise Refused(
                "private_address", f"{host} is at {text}, which is not public; list it in the endpoint's private: if it is meant"
            )
    return Destination(host, port, tuple(found))


def permitted(text: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address is public, or listed.

    >>> permitted("93.184.216.34"), permitted("127.0.0.1"), permitted("::ffff:10.0.0.1"), permitted("169.254.169.254")
    (True, False, False, False)
    >>> permitted("10.1.2.3", [ipaddress.ip_network("10.0.0.0/8")])
    True
    """
    try:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    teredo = address.teredo
    found = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
    if found is None and address in _TRANSLATED:
        found = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address if found is None else found


def _place(text: str) -> tuple[str, int]:
    try:
        url = URL(text)
    except (InvalidURL, UnicodeError):
        raise Refused("bad_url", "the URL cannot be read") from None
    if url.scheme not in _PORTS or not url.host:
        raise Refused("bad_url", f"expected a URL with {', '.join(_PORTS)} and a host; found the scheme {url.scheme!r}")
    return url.host, url.port or _PORTS[url.scheme]
