"""Addresses that are connected to, and those that never are."""

import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
from pytest_django import Settings

from compute.egress import (
    Refused,
    Resolve,
    Unreachable,
    is_permitted,
    parse,
    permitted_addresses,
    resolve,
)

PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111"]
PRIVATE = ["10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd12::1"]
#: Whatever the settings say.
NEVER = [
    "0.0.0.0",  # noqa: S104  # nothing binds to it
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    # For protocols, documents, and nothing at all.
    "192.0.0.8",
    "192.88.99.1",
    "64:ff9b:1::808:808",
    "3fff::1",
    "5f00::1",
    # IPv4 inside of IPv6: mapped, compatible, 6to4, Teredo, NAT64, ISATAP.
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00:808:808",
    "2001:0:a9fe:a9fe::1",
    "2606:4700::5efe:a9fe:a9fe",
]
LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]


@pytest.fixture(autouse=True)
def production(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    settings.WEBHOOK_ALLOW_LOOPBACK = False


def allow_everything(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("0.0.0.0/0"), ip_network("::/0")]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert is_permitted(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *LOOPBACK])
def test_others_are_not(address: str) -> None:
    assert not is_permitted(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_networks_of_ones_own_can_be_named(address: str, settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network(address)]
    assert is_permitted(ip_address(address))
    assert not is_permitted(ip_address("10.1.2.4"))


@pytest.mark.parametrize("address", [*NEVER, *LOOPBACK])
def test_some_cannot_be_named(address: str, settings: Settings) -> None:
    allow_everything(settings)
    assert not is_permitted(ip_address(address))


def test_loopback_is_for_development(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    assert not is_permitted(ip_address("127.0.0.1"))
    allow_everything(settings)
    assert is_permitted(ip_address("127.0.0.1"))
    assert is_permitted(ip_address("::ffff:127.0.0.1"))
    assert not is_permitted(ip_address("::ffff:169.254.169.254"))


# Names


def answering(*addresses: str) -> Resolve:
    def answer(host: str, port: int, seconds: float) -> Sequence[str]:
        return addresses

    return answer


TARGET = parse("https://hooks.example.com/")


def test_a_name_leads_to_its_addresses_each_once() -> None:
    found = permitted_addresses(
        TARGET, resolve=answering("1.1.1.1", "8.8.8.8", "1.1.1.1")
    )
    assert found == ["1.1.1.1", "8.8.8.8"]


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("1.1.1.1", "10.0.0.1"),
        ("2606:4700::1111", "::1"),
        ("1.1.1.1", "169.254.169.254"),
        ("fe80::1%eth0",),
    ],
)
def test_one_bad_address_spoils_a_name(addresses: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="not public"):
        permitted_addresses(TARGET, resolve=answering(*addresses))


def test_a_name_without_addresses_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="no address"):
        permitted_addresses(TARGET, resolve=answering())


def test_the_resolver_of_this_machine_is_asked() -> None:
    assert "127.0.0.1" in resolve("localhost", 443, 5.0)
    assert resolve("192.0.2.7", 443, 5.0) == ["192.0.2.7"]
    with pytest.raises(Unreachable, match="cannot be resolved"):
        resolve("nothing.invalid", 443, 5.0)


def test_a_resolver_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: release.wait(10) and [])
    with pytest.raises(Unreachable, match="not resolved within"):
        resolve("slow.example.com", 443, 0.05)
    release.set()
