"""Reading the environment: what is right is read, what is wrong is told in one line."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from vmmanager.environment import Environment

NAME = "TESTED_SETTING"
env = Environment()


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)


def test_what_is_not_set_is_the_default() -> None:
    assert env.int(NAME, default=7) == 7
    assert env.float(NAME, default=0.5) == 0.5
    assert env.bool(NAME, default=True) is True
    assert env.list(NAME, default=[]) == []
    assert env.numbers(NAME, default={"vms": 1}) == {"vms": 1}
    assert env.rate(NAME, default="5/60 second") == "5/60 second"
    assert env.broker_url(NAME) == ""
    assert env.cache_url(NAME, default="locmemcache://")["BACKEND"]
    assert env.db_url(NAME, default="sqlite:////x.sqlite3")["NAME"] == "/x.sqlite3"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "0", 0),
        ("int", "120", 120),
        ("float", "0.25", 0.25),
        ("bool", "true", True),
        ("bool", "Yes", True),
        ("bool", "1", True),
        ("bool", "False", False),
        ("bool", "0", False),
        ("bool", "", False),
        ("list", "a.example.org,b.example.org", ["a.example.org", "b.example.org"]),
        ("list", "", []),
        ("str", "$ecret", "$ecret"),
        ("str", "", ""),
    ],
)
def test_what_is_set_is_read(
    monkeypatch: pytest.MonkeyPatch, kind: str, text: str, value: object
) -> None:
    monkeypatch.setenv(NAME, text)
    assert getattr(env, kind)(NAME, default=None) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("vms=10,ram_mb=51200", {"vms": 10, "ram_mb": 51200}),
        (" vms = 0 , vcpus=2,", {"vms": 0, "vcpus": 2}),
        ("", {}),
    ],
)
def test_numbers_by_name(
    monkeypatch: pytest.MonkeyPatch, text: str, value: dict[str, int]
) -> None:
    monkeypatch.setenv(NAME, text)
    assert env.numbers(NAME, default={"vms": 1}) == value


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("int", "many", "'many' is not a whole number"),
        ("int", "", "'' is not a whole number"),
        ("int", "-1", "'-1' is not a whole number"),
        ("int", "1.5", "'1.5' is not a whole number"),
        ("float", "soon", "'soon' is not a number above 0"),
        ("float", "nan", "'nan' is not a number above 0"),
        ("float", "inf", "'inf' is not a number above 0"),
        ("float", "0", "'0' is not a number above 0"),
        ("bool", "ture", "'ture' is not true or false"),
        ("numbers", "vms", "'vms' is not name=number"),
        ("numbers", "vms=-1", "'vms=-1' is not name=number"),
        ("numbers", "vms=1;vcpus=2", "'vms=1;vcpus=2' is not name=number"),
        ("rate", "often", "'often' is not a rate such as '120/60 second'"),
        ("rate", "0/60 second", "'0/60 second' is not a rate"),
        ("rate", "10/second; 20/minute", "is not a rate"),
        ("db_url", "", "is no URL such as postgres://"),
        (
            "db_url",
            "oracle9://a:pw@b/c",  # pragma: allowlist secret
            "is no URL such as postgres://",
        ),
        ("db_url", "postgres://a:p/w@b/c", "cannot be read"),
        ("cache_url", "memory", "is no URL such as redis://"),
    ],
)
def test_what_is_wrong_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch, kind: str, text: str, complaint: str
) -> None:
    monkeypatch.setenv(NAME, text)
    with pytest.raises(ImproperlyConfigured) as raised:
        getattr(env, kind)(NAME, default="")
    told = str(raised.value)
    assert told.startswith(NAME)
    assert complaint in told
    assert "pw" not in told
    assert "p/w" not in told


def test_a_broker_nobody_can_speak_to_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "kafkaesque://a:pw@b")  # pragma: allowlist secret
    with pytest.raises(
        ImproperlyConfigured, match=r"^TESTED_SETTING is no URL such as"
    ):
        env.broker_url(NAME)
    for url in ("redis://a/0", "rediss://a/0", "amqp://a//", "amqps://a//"):
        monkeypatch.setenv(NAME, url)
        assert env.broker_url(NAME) == url
