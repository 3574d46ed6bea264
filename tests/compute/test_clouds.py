"""Wrong settings of a cloud are one line at start, not a traceback at the first call."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from compute import clouds
from tests.support.fake_openstack import FLAVORS, TOKENS, Line, Stage
from vmmanager.clouds_url import parse_clouds

Configure = Callable[..., None]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.speak("GET", FLAVORS, Line(body={"flavors": []}))
    yield stage
    stage.close()


@pytest.fixture
def configure(
    stage: Stage, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Configure]:
    """Take CLOUDS, with the stage as the entry prod of clouds.yaml."""

    def configure(value: str, *, auth_url: str = "") -> None:
        config = tmp_path / "clouds.yaml"
        entry = stage.cloud(auth_url=auth_url, password="secret")
        config.write_text(yaml.safe_dump({"clouds": {"prod": entry}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
        settings.PROVIDERS = parse_clouds(value, data_dir=tmp_path)
        clouds.reset()

    yield configure
    clouds.reset()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mock://?delay=slow", "'delay'"),
        ("openstack://nowhere", "nowhere was not found"),
        ("openstack://nowhere?colour=red", "'colour'"),
        ("openstack://nowhere?project=", "'project'"),
    ],
)
def test_a_cloud_that_cannot_be_made_is_named(
    settings: Settings, url: str, words: str
) -> None:
    settings.PROVIDERS = parse_clouds(f"lab={url}", data_dir=settings.DATA_DIR)
    clouds.reset()
    with pytest.raises(SystemCheckError) as caught:
        call_command("check")
    clouds.reset()
    assert "Cloud 'lab'" in str(caught.value)
    assert words in str(caught.value)


TWO = "web=openstack://prod?project=web,db=openstack://prod?project=db"


def test_a_check_before_a_deployment_names_a_project_that_refuses_the_account(
    stage: Stage, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(TWO)
    stage.admit("web", "db")
    call_command("check", deploy=True, tags=["clouds"])
    assert "no issues" in capsys.readouterr().out
    clouds.reset()
    stage.admit("web")
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", deploy=True, tags=["clouds"])
    told = str(caught.value)
    assert "Cloud 'db': The request you have made requires authentication." in told
    assert "has the account a role there?" in told
    assert "'web'" not in told


def test_a_check_before_a_deployment_warns_of_a_cloud_that_is_away(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v3"
    configure(f"{TWO},lab=mock://", auth_url=url)
    call_command("check", deploy=True, tags=["clouds"])
    told = capsys.readouterr().err
    for alias in ("web", "db"):
        assert f"(compute.W001) Cloud '{alias}': Cannot reach {url}" in told
    assert "'lab'" not in told


def test_a_cloud_with_wrong_settings_is_named_once(
    stage: Stage, configure: Configure
) -> None:
    configure("web=openstack://prod?project=web,db=openstack://prod?project=")
    stage.admit("web")
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", deploy=True)
    assert str(caught.value).count("Cloud 'db'") == 1


def test_any_other_check_asks_no_cloud(stage: Stage, configure: Configure) -> None:
    configure(TWO)
    call_command("check")
    assert stage.requests == []


def test_two_projects_of_one_entry_are_two_clouds(
    stage: Stage, configure: Configure
) -> None:
    configure(TWO)
    stage.admit("web", "db")
    for alias in ("web", "db"):
        clouds.get(alias).flavors.list_all()
    scopes = [r.body["auth"]["scope"] for r in stage.sent("POST", TOKENS)]
    assert [scope["project"]["name"] for scope in scopes] == ["web", "db"]
