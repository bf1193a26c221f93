"""Client addresses behind proxies: only trusted proxies are used."""

from ipaddress import ip_network

import pytest

from app.utils.addresses import address_group, client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("2001:db8::1", ["[2001:470::5]:443"], "2001:470::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        (None, ["198.51.100.1"], "unknown"),
    ],
)
def test_only_hops_written_by_trusted_proxies_count(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_without_trusted_proxies_the_header_is_ignored() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], []) == "127.0.0.1"


def test_addresses_of_an_ipv6_network_are_one_group() -> None:
    assert address_group("2001:470:1:2::5") == address_group("2001:470:1:2:ffff::9")
    assert address_group("2001:470:1:2::5") != address_group("2001:470:1:3::5")
    assert address_group("203.0.113.7") == "203.0.113.7"
