"""Where requests may not go."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest

from agents.effects.destinations import Refused, destination, permitted

PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
    "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "localhost", "", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not permitted(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_is_public_is_permitted(address: str) -> None:
    assert permitted(address)


def test_what_is_listed_is_permitted_and_nothing_else() -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("::1/128")]
    assert [permitted(each, allowed) for each in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "::1")] == [True, True, False, True]


def _resolving(*addresses: str, fails: Exception | None = None) -> object:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if fails is not None:
            raise fails
        return addresses

    return resolve


def _refused(url: str, *addresses: str, fails: Exception | None = None) -> Refused:
    with pytest.raises(Refused) as found:
        asyncio.run(destination(url, resolving=_resolving(*addresses, fails=fails)))  # type: ignore[arg-type]
    return found.value


def test_one_private_address_among_public_ones_is_refused() -> None:
    refused = _refused("https://rebind.example/x", "93.184.216.34", "127.0.0.1")
    assert refused.reason == "private_address"
    assert str(refused) == "rebind.example is at 127.0.0.1, which is not public; list it in the endpoint's private: if it is meant"


def test_a_name_without_address() -> None:
    assert (_refused("https://gone.example").reason, _refused("https://gone.example", fails=OSError("no")).reason) == ("dns", "dns")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://h/", "https://", "http://[::1", "//h/x"])
def test_urls_that_lead_nowhere(url: str) -> None:
    assert _refused(url, "93.184.216.34").reason == "bad_url"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]", "localhost"])
def test_other_spellings_of_loopback_are_seen_through(host: str) -> None:
    """The machine's own look-up turns them into addresses, and those are judged."""
    with pytest.raises(Refused) as found:
        asyncio.run(destination(f"http://{host}/"))
    assert found.value.reason in ("private_address", "dns", "bad_url")


def test_ports() -> None:
    async def places() -> list[int]:
        urls = ("http://a", "https://a", "https://a:8443/x", "smtp://a", "smtps://a")
        return [(await destination(url, resolving=_resolving("1.1.1.1"))).port for url in urls]  # type: ignore[arg-type]

    assert asyncio.run(places()) == [80, 443, 8443, 25, 465]
