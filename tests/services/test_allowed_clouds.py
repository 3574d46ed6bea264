"""Which clouds a project may use, and where its new things go."""

from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from compute.errors import ValidationError
from compute.models import VM, Event, Project
from compute.services import allowed_clouds, catalog, projects, vms
from compute.services.vms import imports
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain
from tests.services.conftest import ask_for_vm, wrong
from tests.support.factories import ProjectFactory

CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"


@pytest.fixture
def three(settings: Settings) -> None:
    settings.PROVIDERS = {alias: {} for alias in ("one", "two", "three")}


@pytest.fixture
def both(catalogue: None, other_cloud: MockCloud) -> None:
    """Two clouds whose flavors and images are known."""
    catalog.refresh("other")


def give(project: Project, *aliases: str) -> Project:
    """Have a project use these clouds alone."""
    changes = {"clouds": list(aliases)}
    return projects.update(project, actor=ALICE, changes=changes)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("listed", "named", "expected"),
    [
        (None, None, "one"),
        (None, "three", "three"),
        (["two"], None, "two"),
        (["three", "one"], None, "three"),
        (["three", "one"], "one", "one"),
        # One that is not configured any more is passed over.
        (["gone", "two"], None, "two"),
        (["gone", "two"], "two", "two"),
    ],
)
def test_a_thing_goes_to_the_named_cloud_or_to_the_default_of_its_project(
    listed: list[str] | None, named: str | None, expected: str
) -> None:
    assert allowed_clouds.cloud_of(Project(clouds=listed), named) == expected


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("listed", "named", "detail"),
    [
        (None, "gone", "No cloud gone."),
        (None, "", "No cloud ."),
        (["two"], "one", "No cloud one."),
        (["two", "gone"], "gone", "No cloud gone."),
        (
            ["gone"],
            None,
            "None of the clouds that the project may use is configured.",
        ),
    ],
)
def test_a_cloud_that_is_not_for_the_project_does_not_exist(
    listed: list[str] | None, named: str | None, detail: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        allowed_clouds.cloud_of(Project(clouds=listed), named)
    assert caught.value.members["errors"] == [
        {"pointer": "#/cloud", "code": "does_not_exist", "detail": detail}
    ]


# The list


@pytest.mark.usefixtures("three")
def test_a_list_is_an_event_and_a_version(project: Project) -> None:
    changed = give(project, "two", "one")
    assert (changed.clouds, changed.version) == (["two", "one"], 2)
    assert give(project, "two", "one").version == 2
    projects.update(project, actor=ALICE, changes={"clouds": None})
    events = Event.objects.filter(type="project.updated").order_by("sequence")
    assert [event.changes for event in events] == [
        {"clouds": [None, ["two", "one"]]},
        {"clouds": [["two", "one"], None]},
    ]


@pytest.mark.usefixtures("three")
def test_a_new_project_may_have_a_list(project: Project) -> None:
    projects.create(name="lab", actor=ALICE, clouds=("three",))
    assert Project.objects.get(name="lab").clouds == ["three"]
    event = Event.objects.get(type="project.created")
    assert event.details == {"name": "lab", "clouds": ["three"]}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("aliases", "expected"),
    [
        ([], [("#/clouds", "empty")]),
        (["moon"], [("#/clouds/0", "does_not_exist")]),
        (["one", "two", "one"], [("#/clouds/2", "repeated")]),
        (
            ["one", "moon", "one", "moon"],
            [
                ("#/clouds/1", "does_not_exist"),
                ("#/clouds/2", "repeated"),
                ("#/clouds/3", "does_not_exist"),
            ],
        ),
    ],
)
def test_a_wrong_list_changes_nothing(
    project: Project, aliases: list[str], expected: list[tuple[str, str]]
) -> None:
    calls: list[Any] = [
        partial(give, project, *aliases),
        partial(projects.create, name="lab", actor=ALICE, clouds=aliases),
    ]
    for call in calls:
        with pytest.raises(ValidationError) as caught:
            call()
        errors = caught.value.members["errors"]
        assert [(error["pointer"], error["code"]) for error in errors] == expected
    project.refresh_from_db()
    assert project.clouds is None
    assert not Project.objects.filter(name="lab").exists()
    assert not Event.objects.exists()


# What it does


@pytest.mark.usefixtures("both")
def test_a_vm_is_made_in_the_default_cloud_of_its_project(
    project: Project, cloud: MockCloud, other_cloud: MockCloud, drain: Drain
) -> None:
    ask_for_vm(give(project, "other"))
    drain()
    assert VM.objects.get().cloud == "other"
    assert [server.name for server in other_cloud.servers.list_all()] == ["web"]
    assert cloud.servers.list_all() == []


@pytest.mark.usefixtures("both")
def test_a_cloud_that_is_taken_away_keeps_what_is_there(
    project: Project, cloud: MockCloud, drain: Drain
) -> None:
    ask_for_vm(project)
    drain()
    project = give(project, "other")
    vms.act(VM.objects.get(), "stop", actor=ALICE)
    drain()
    assert VM.objects.get().status == "SHUTOFF"
    vms.resize(VM.objects.get(), flavor="m1.medium", actor=ALICE)
    drain()
    assert VM.objects.get().status == "ACTIVE"
    vms.delete(VM.objects.get(), actor=ALICE)
    drain()
    assert VM.objects.get().status == "DELETED"
    assert cloud.servers.list_all() == []
    values: dict[str, Any] = {
        "name": "web",
        "flavor": "m1.small",
        "image": "ubuntu-22.04",
    }
    new = partial(vms.create, project=project, actor=ALICE, cloud="default", **values)
    assert wrong(new) == ("#/cloud", "does_not_exist")


def test_servers_are_not_imported_from_a_cloud_that_is_not_for_the_project(
    project: Project, cloud: MockCloud, other_cloud: MockCloud
) -> None:
    cloud.controls.seed([SeedServer("old", "2", CIRROS)])
    shop = ProjectFactory.create(name="shop", clouds=["other"])
    for dry_run in (True, False):
        with pytest.raises(imports.CannotImportError) as caught:
            list(imports.import_servers("default", shop, dry_run=dry_run))
        reason = "The project shop may not use the cloud default."
        assert str(caught.value) == reason
    assert not VM.objects.exists()
    assert cloud.controls.call_counts() == {}
    assert [row.skipped for row in imports.import_servers("other", shop)] == []
