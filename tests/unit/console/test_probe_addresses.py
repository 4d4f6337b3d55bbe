"""Which addresses the connection test may reach."""

from ipaddress import ip_address, ip_network

import pytest

from services.console.probe.addresses import Rules, address_allowed, port_allowed

NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%lo",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
]
PRIVATE = [
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fd12::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:10.0.0.5",
    "64:ff9b::a00:5",
    "64:ff9b:1::a00:5",
    "2002:a00:5::1",
    "::10.0.0.5",
]
HERE = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]
PUBLIC = ["8.8.8.8", "40.99.1.1", "2a01:111:f400::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
ALL_PRIVATE = Rules(allow_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE, *HERE])
@pytest.mark.row(82)
def test_what_is_not_a_public_server_is_refused(address: str) -> None:
    assert not address_allowed(ip_address(address), Rules())


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.row(82)
def test_metadata_link_local_and_multicast_stay_refused_whatever_is_allowed(address: str) -> None:
    assert not address_allowed(ip_address(address), ALL_PRIVATE)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_servers_are_allowed(address: str) -> None:
    assert address_allowed(ip_address(address), Rules())


def test_an_own_network_is_allowed_where_it_is_listed_also_inside_ipv6() -> None:
    rules = Rules(allow_networks=(ip_network("10.0.0.0/24"),))
    found = [address_allowed(ip_address(one), rules) for one in ("10.0.0.5", "::ffff:10.0.0.5", "10.0.1.5")]
    assert found == [True, True, False]


@pytest.mark.parametrize("address", HERE)
def test_this_machine_is_allowed_by_its_own_switch_on_any_port(address: str) -> None:
    rules = Rules(allow_loopback=True)
    assert address_allowed(ip_address(address), rules)
    assert port_allowed(40001, [ip_address(address)], rules)
    assert not port_allowed(40001, [ip_address(address), ip_address("8.8.8.8")], rules)


def test_only_mail_ports_and_those_that_a_setting_adds() -> None:
    public = [ip_address("8.8.8.8")]
    assert [port_allowed(port, public, Rules()) for port in (993, 2525, 22, 6379)] == [True, True, False, False]
    assert port_allowed(1993, public, Rules(ports=frozenset({1993})))
