"""Who is on the other end: the address of a client behind proxies, and the group it counts with."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OWN_MACHINE = "127.0.0.1"


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address of the client, as text.

    ``peer`` is the other end of the connection, ``forwarded`` every ``X-Forwarded-For`` in its order.
    The list is read from the right and believed as long as a trusted proxy wrote it, so what a client
    makes up on the left counts for nothing.
    """
    address = parse_address(peer or "")
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while address is not None and hops and _within(address, trusted):
        said = parse_address(hops.pop())
        if said is None:
            break
        address = said
    return str(address) if address is not None else "unknown"


def trusted_hops(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> int:
    """How many proxies, from ours outwards, are trusted: the peer, and who it says was before it."""
    hops = 0
    for said in (peer, *reversed(forwarded)):
        address = parse_address(said)
        if address is None or not _within(address, trusted):
            break
        hops += 1
    return hops


def peer_address(client: tuple[str, int] | None) -> str:
    """The other end of a connection, of which a server gives host and port; empty where it is not known."""
    if client is None:
        return ""
    # No connection has port 0: uvicorn, left to itself, has put a header of the request in the place of
    # the peer, which it does for its own machine only.
    return client[0] if client[1] else _OWN_MACHINE


def address_group(address: str) -> str:
    """What one household or server can hand out: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address


def parse_address(text: str) -> Address | None:
    """An address, also with a port or in brackets; an IPv4 one written as IPv6 is IPv4."""
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
