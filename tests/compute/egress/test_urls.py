"""URLs that are called, and those that are refused for how they are written."""

import pytest
from pytest_django import Settings

from compute.egress import Refused, Target, parse
from compute.limits import MAX_URL


@pytest.fixture(autouse=True)
def production(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_HTTP = False


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        (
            "https://Hooks.Example.com",
            Target("https", "hooks.example.com", 443, "/"),
            "hooks.example.com",
        ),
        (
            "https://hooks.example.com.:8443/a/b?c=d%20e",
            Target("https", "hooks.example.com", 8443, "/a/b?c=d%20e"),
            "hooks.example.com:8443",
        ),
        (
            "https://[2001:DB8::7]/x",
            Target("https", "2001:db8::7", 443, "/x"),
            "[2001:db8::7]",
        ),
        ("https://192.0.2.7", Target("https", "192.0.2.7", 443, "/"), "192.0.2.7"),
        (
            "https://bücher.example",
            Target("https", "xn--bcher-kva.example", 443, "/"),
            "xn--bcher-kva.example",
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target, authority: str) -> None:
    assert parse(url) == target
    assert parse(url).authority == authority


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/", "https://"),
        ("file:///etc/passwd", "Must be a URL"),
        ("ftp://hooks.example.com/", "Must be a URL"),
        ("gopher://hooks.example.com/", "Must be a URL"),
        ("//hooks.example.com/", "Must be a URL"),
        ("https:/hooks.example.com", "Must be a URL"),
        ("", "Must be a URL"),
        ("https://alice@hooks.example.com/", "user name"),
        # pragma: allowlist nextline secret
        ("https://alice:secret@hooks.example.com/", "user name"),
        ("https://hooks.example.com@127.0.0.1/", "user name"),
        ("https://hooks.example.com:22/", "Port 22"),
        ("https://hooks.example.com:25/", "Port 25"),
        ("https://hooks.example.com:80/", "Port 80"),
        ("https://hooks.example.com:6379/", "Port 6379"),
        ("https://hooks.example.com:0/", "Port 0"),
        ("https://hooks.example.com:65536/", "not a URL"),
        ("https://hooks.example.com:x/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://[::x]/", "not a"),
        ("https://[fe80::1%25eth0]/", "percent sign"),
        ("https://hooks%2eexample.com/", "percent sign"),
        # One address, as many ways as resolvers know.
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0x7f.0.0.1/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.1/", "four decimal numbers"),
        ("https://127.0.1/", "four decimal numbers"),
        ("https://127.0.0.1.1/", "four decimal numbers"),
        ("https://017700000001/", "four decimal numbers"),
        ("https://hooks.example.0x1/", "four decimal numbers"),
        ("https://①②⑦.⓪.⓪.①/", "four decimal numbers|ASCII"),
        ("https://hooks..example.com/", "not a name|ASCII"),
        ("https://-hooks.example.com/", "not a name"),
        ("https://faß.example/", "ASCII"),
        ("https://hooks.example.com/#top", "fragment"),
        ("https://hooks.example.com/ä", "percent-encoded"),
        ("https://hooks.example.com/a b", "spaces"),
        ("https://hooks.example.com/\r\nHost: evil", "spaces"),
        ("https://hooks.example.com\\@127.0.0.1/", "backslashes"),
        ("https://hooks.example.com/" + "a" * MAX_URL, "at most"),
    ],
)
def test_a_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        parse(url)


def test_http_is_for_development(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    assert parse("http://hooks.example.com/x").port == 80
    with pytest.raises(Refused, match="Port 443"):
        parse("http://hooks.example.com:443/x")
