"""Client IP addresses: resolved through trusted proxies, and grouped for rate limits."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK = "127.0.0.1"


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's IP address as text, or ``unknown``.

    ``peer`` is the remote end of the connection, ``forwarded`` the values of every ``X-Forwarded-For``
    header in order. Hops are read from the right for as long as a trusted proxy wrote them, so entries
    that a client forged on the left are ignored.
    """
    address = parse_address(peer or "")
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while address is not None and hops and _within(address, trusted):
        hop = parse_address(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address) if address is not None else "unknown"


def trusted_hops(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> int:
    """The number of consecutive trusted proxies, counted from the peer outwards."""
    hops = 0
    for hop in (peer, *reversed(forwarded)):
        address = parse_address(hop)
        if address is None or not _within(address, trusted):
            break
        hops += 1
    return hops


def peer_address(client: tuple[str, int] | None) -> str:
    """The remote address of an ASGI ``client`` (host, port); empty if the server does not know it."""
    if client is None:
        return ""
    # Port 0 means that uvicorn's own proxy support replaced the peer by a header of the request; by default
    # it does so only for connections from the loopback address.
    return client[0] if client[1] else _LOOPBACK


@lru_cache(maxsize=4096)
def address_group(address: str) -> str:
    """The unit that rate limits count: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address


@lru_cache(maxsize=4096)  # it takes as long as a tenth of a small request
def parse_address(text: str) -> Address | None:
    """Parse an address, with or without port and brackets; IPv4-mapped IPv6 becomes IPv4. None if invalid."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
