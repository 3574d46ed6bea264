"""CLOUDS: one line for any number of clouds."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from vmmanager.clouds_url import MOCK, OPENSTACK, parse_clouds


def test_a_mock_keeps_its_servers_in_the_data_directory(tmp_path: Path) -> None:
    assert parse_clouds("default=mock://", data_dir=tmp_path) == {
        "default": {
            "BACKEND": MOCK,
            "OPTIONS": {"path": str(tmp_path / "mock-default.sqlite3")},
        }
    }


def test_options_follow_as_a_query_and_come_as_text(tmp_path: Path) -> None:
    clouds = parse_clouds(
        "lab=mock://?delay=0&path=/x.sqlite3, prod=openstack://my.cloud?network=a%2Cb",
        data_dir=tmp_path,
    )
    assert list(clouds) == ["lab", "prod"]
    assert clouds["lab"]["OPTIONS"] == {"path": "/x.sqlite3", "delay": "0"}
    assert clouds["prod"] == {
        "BACKEND": OPENSTACK,
        "OPTIONS": {"cloud": "my.cloud", "network": "a,b"},
    }


def test_one_entry_of_clouds_yaml_may_be_several_clouds(tmp_path: Path) -> None:
    clouds = parse_clouds(
        "web=openstack://prod?project=web+shop,"
        "db=openstack://prod?project=a%26b%2Cc&project_domain=D%C3%BCren",
        data_dir=tmp_path,
    )
    assert [cloud["OPTIONS"] for cloud in clouds.values()] == [
        {"cloud": "prod", "project": "web shop"},
        {"cloud": "prod", "project": "a&b,c", "project_domain": "Düren"},
    ]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "names no cloud"),
        ("mock://", "not alias=url"),
        ("Lab=mock://", "an alias is a lower-case word"),
        ("lab=mock://,lab=mock://", "'lab' is named twice"),
        ("lab=vmware://host", "must start with mock:// or openstack://"),
        ("lab=mock://name", "takes no name"),
        ("lab=mock:///path", "has a path"),
        ("lab=openstack://", "needs a name of clouds.yaml"),
        ("lab=mock://?delay", "is not name=value"),
        ("lab=mock://?delay=0&delay=1", "names an option twice"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    value: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^CLOUDS") as raised:
        parse_clouds(value, data_dir=tmp_path)
    assert complaint in str(raised.value)
