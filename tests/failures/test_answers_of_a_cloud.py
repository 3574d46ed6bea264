"""What an answer of a cloud says of the work: begun or not, and when to ask again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import yaml

from providers import errors
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import Line, Stage

SERVER = "/compute/v2.1/servers/one"
ACTION = f"{SERVER}/action"
TOKENS = "/v3/auth/tokens"
OWN_WORDS = {"serviceUnavailable": {"code": 503, "message": "In maintenance"}}


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def cloud(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OpenStackCloud:
    path = tmp_path / "clouds.yaml"
    entry = stage.cloud(password="secret")
    path.write_text(yaml.safe_dump({"clouds": {"stage": entry}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return OpenStackCloud(cloud="stage", timeout="5")


def refused(cloud: OpenStackCloud) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        cloud.servers.act("one", "stop", request_id="req-1")
    return caught.value


@pytest.mark.parametrize(
    ("line", "ambiguous"),
    [
        (Line(503, OWN_WORDS), False),
        (Line(429, {"overLimit": {"message": "Slow down"}}), False),
        (Line(503, "<html><h1>503</h1>No server is available</html>"), True),
        (Line(503, ""), True),
        (Line(502, {"error": {"message": "Bad Gateway"}}), True),
        (Line(504, "upstream request timeout"), True),
        (Line(500, {"computeFault": {"code": 500, "message": "Oops"}}), True),
        (Line(drop=True), True),
        (Line(202, "{}" * 50, cut=True), True),
    ],
    ids=[
        "own-503",
        "429",
        "proxy-503",
        "empty-503",
        "502",
        "504",
        "500",
        "drop",
        "cut",
    ],
)
def test_only_a_refusal_of_the_service_itself_says_that_nothing_was_begun(
    stage: Stage, cloud: OpenStackCloud, line: Line, ambiguous: bool
) -> None:
    stage.speak("POST", ACTION, line)
    error = refused(cloud)
    assert isinstance(error, errors.Unavailable)
    assert (error.retryable, error.ambiguous) == (True, ambiguous)
    assert isinstance(error, errors.Unreachable) == (not ambiguous)
    assert len(stage.sent("POST", ACTION)) == 1  # nothing below us repeats a write


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("86400", errors.MAX_RETRY_AFTER),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", errors.MAX_RETRY_AFTER),
        ("Mon, 99 Foo 99999999999999999999 00:00:00 GMT", None),
        ("9" * 5000, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_pause_is_read_as_seconds_or_as_a_date(
    stage: Stage, cloud: OpenStackCloud, value: str, seconds: float | None
) -> None:
    stage.speak("POST", ACTION, Line(503, OWN_WORDS, {"Retry-After": value}))
    assert refused(cloud).retry_after == seconds


def test_a_date_to_come_is_a_pause_until_then(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    stage.speak("POST", ACTION, Line(503, OWN_WORDS, {"Retry-After": when}))
    pause = refused(cloud).retry_after
    assert pause is not None
    assert 20 < pause <= 30


def test_a_keystone_that_asks_for_a_pause_gets_it(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", TOKENS, Line(503, OWN_WORDS, {"Retry-After": "9"}))
    error = refused(cloud)
    assert (error.service, error.ambiguous, error.retry_after) == ("keystone", False, 9)


def test_a_read_that_breaks_off_can_be_asked_again(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("GET", SERVER, Line(body={"server": {"id": "one"}}, cut=True))
    with pytest.raises(errors.Unavailable) as caught:
        cloud.servers.get("one")
    assert caught.value.retryable
