"""A project from the command line, with the clouds it may use."""

import pytest
from django.core.management import CommandError, call_command

from compute.models import Project
from providers.mock import MockCloud


@pytest.mark.usefixtures("db", "other_cloud")
def test_it_may_use_the_clouds_that_are_named_in_their_order() -> None:
    call_command("createproject", "web", "--cloud", "other", "--cloud", "default")
    assert Project.objects.get(name="web").clouds == ["other", "default"]
    call_command("createproject", "db")
    assert Project.objects.get(name="db").clouds is None


@pytest.mark.usefixtures("db")
def test_a_wrong_cloud_is_one_line(cloud: MockCloud) -> None:
    with pytest.raises(CommandError, match="invalid choice: 'moon'"):
        call_command("createproject", "web", "--cloud", "moon")
    with pytest.raises(CommandError, match=r"The cloud default is listed twice\.$"):
        call_command("createproject", "web", "--cloud", "default", "--cloud", "default")
    assert not Project.objects.filter(name="web").exists()
