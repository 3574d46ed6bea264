"""Wrong settings of a cloud are one line at start, not a traceback at the first call."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from compute import clouds
from vmmanager.clouds_url import parse_clouds


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mock://?delay=slow", "'delay'"),
        ("openstack://nowhere", "nowhere was not found"),
        ("openstack://nowhere?colour=red", "'colour'"),
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
