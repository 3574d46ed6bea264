"""Behind a proxy the client is who the proxy saw, however it writes that down."""

import logging
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from rest_framework.settings import api_settings

from compute.addresses import _say_unreadable, client_address, network_of

pytestmark = pytest.mark.once


def address(forwarded: str | None, *, proxies: int = 1, peer: str = "10.0.0.2") -> Any:
    request = RequestFactory().get("/", REMOTE_ADDR=peer)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    with override_settings(
        REST_FRAMEWORK={**api_settings.user_settings, "NUM_PROXIES": proxies}
    ):
        return client_address(request)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:50001", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        # What is no address leaves the proxy's own.
        ("unknown", "10.0.0.2"),
        ("_hidden", "10.0.0.2"),
        ("198.51.100.7:port", "10.0.0.2"),
        ("198.51.100.700", "10.0.0.2"),
        ("[198.51.100.7", "10.0.0.2"),
        ("", "10.0.0.2"),
        ("1" * 100_000, "10.0.0.2"),
        ("[" * 100_000, "10.0.0.2"),
    ],
)
def test_an_entry_is_read_as_proxies_write_it(entry: str, expected: str) -> None:
    assert address(entry) == expected


def test_what_the_client_made_up_is_not_read() -> None:
    made_up = "1.1.1.1, 2.2.2.2:80, 198.51.100.7:50001"
    assert address(made_up) == "198.51.100.7"
    assert address(made_up, proxies=2) == "2.2.2.2"
    assert address(made_up, proxies=9) == "1.1.1.1"
    assert address(made_up, proxies=0) == "10.0.0.2"
    assert address(None) == "10.0.0.2"
    assert address("[2001:db8::1]:443", peer="") == "2001:db8::1"
    assert address("unknown", peer="") is None


def test_clients_behind_a_proxy_have_buckets_of_their_own() -> None:
    entries = ("198.51.100.7:1", "198.51.100.7:2", "198.51.100.8:1", "[2001:db8::1]:4")
    networks = [network_of(address(entry)) for entry in entries]
    assert networks == [
        "198.51.100.7",
        "198.51.100.7",
        "198.51.100.8",
        "2001:db8::/64",
    ]


def test_an_unreadable_entry_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    _say_unreadable.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            address("unknown")
    assert len([r for r in caplog.records if "not an address" in r.getMessage()]) == 1
