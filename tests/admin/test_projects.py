"""Projects: made, changed and deleted by services; members and limits on their page."""

import pytest

from compute.events import Actor
from compute.models import APIToken, Event, Membership, Project, Quota, Resource, Role
from compute.services import projects, tokens
from tests.admin.conftest import form, submit, url
from tests.support.console import OPERATOR, Operator, permission, staff
from tests.support.factories import (
    MembershipFactory,
    ProjectFactory,
    UserFactory,
    VMFactory,
)


def types(project: Project) -> list[str]:
    events = Event.objects.filter(project=project).order_by("sequence")
    return list(events.values_list("type", flat=True))


# The project


def test_a_project_is_made_by_the_service(operator: Operator) -> None:
    alice = UserFactory.create(username="alice")
    told = operator.post(
        "compute/project/add/", name="lab", description="Tests", admin="alice"
    )
    assert "The project lab is there" in told
    project = Project.objects.get(name="lab")
    assert project.description == "Tests"
    assert Quota.objects.filter(project=project).count() == len(Resource)
    assert Membership.objects.get(project=project).user == alice
    assert types(project) == ["project.created", "membership.added"]
    assert set(Event.objects.values_list("actor", flat=True)) == {OPERATOR}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "lab"}, "There is already a project lab"),
        ({"name": "a\x07b"}, "control characters"),
        ({"name": "x" * 256}, "at most 255 characters"),
        ({"admin": "nobody"}, "No active user nobody"),
    ],
)
def test_a_project_that_is_refused_keeps_what_was_typed(
    operator: Operator, lab: Project, fields: dict[str, str], reason: str
) -> None:
    values = {"name": "new", "description": "Typed", **fields}
    response = operator.client.post("/admin/compute/project/add/", values)
    text = response.content.decode()
    assert response.status_code == 200
    assert reason in text
    assert "Typed" in text
    assert Project.objects.count() == 2


def test_a_name_that_is_taken_leaves_a_refusal(
    operator: Operator, lab: Project
) -> None:
    operator.post("compute/project/add/", name="lab")
    event = Event.objects.get(type="request.refused")
    assert (event.actor, event.details["code"]) == (OPERATOR, "name-conflict")


def test_a_project_is_changed_by_the_service(operator: Operator, lab: Project) -> None:
    text = submit(operator, lab, form(lab, name="lab-2", description="Tests"))
    assert "changed successfully" in text
    lab.refresh_from_db()
    assert (lab.name, lab.description, lab.version) == ("lab-2", "Tests", 2)
    event = Event.objects.get(type="project.updated")
    assert event.changes == {"name": ["lab", "lab-2"], "description": ["", "Tests"]}


def test_a_change_that_is_refused_keeps_what_was_typed(
    operator: Operator, lab: Project
) -> None:
    other = ProjectFactory.create()
    alice = UserFactory.create()
    values = form(lab, name=other.name, description="Typed")
    values |= {"memberships-0-user": alice.username, "memberships-0-role": "reader"}
    text = submit(operator, lab, values)
    assert f"There is already a project {other.name}" in text
    assert "Typed" in text
    assert not Membership.objects.exists(), "all of it or nothing"
    lab.refresh_from_db()
    assert lab.name == "lab"
    event = Event.objects.get(type="request.refused")
    assert (event.project_id, event.details["code"]) == (lab.pk, "name-conflict")


def test_a_page_that_is_out_of_date_changes_nothing(
    operator: Operator, lab: Project, actor: Actor
) -> None:
    values = form(lab, description="of-olga")
    projects.update(lab, actor=actor, changes={"description": "of-alice"})
    assert "Somebody changed it meanwhile" in submit(operator, lab, values)
    lab.refresh_from_db()
    assert lab.description == "of-alice"


def test_the_default_project_keeps_its_name(
    operator: Operator, project: Project
) -> None:
    submit(operator, project, form(project, name="other", description="Everybody's"))
    project.refresh_from_db()
    assert (project.name, project.description) == ("default", "Everybody's")


def test_a_project_is_deleted_after_a_question(
    operator: Operator, lab: Project, actor: Actor
) -> None:
    token, _ = tokens.create(
        user=operator.user,
        project=lab,
        role=Role.ADMIN,
        name="ci",
        actor=actor,
        expires_at=None,
    )
    assert "Delete this project?" in operator.get(url(lab, "delete"))
    assert Project.objects.alive().filter(pk=lab.pk).exists()
    assert "The project lab is deleted" in operator.post(url(lab, "delete"))
    assert not Project.objects.alive().filter(pk=lab.pk).exists()
    assert not APIToken.objects.alive().filter(pk=token.pk).exists()
    page = operator.get(url(lab))
    assert "Deleted. It is kept for its history." in page
    assert 'name="_save"' not in page
    assert "Save limits" not in page
    # Pages from before are told so.
    assert "The project lab is gone." in operator.post(url(lab), **form(lab, name="x"))
    assert "The project lab is gone." in operator.post(url(lab, "delete"))


def test_what_holds_something_is_not_deleted(operator: Operator, lab: Project) -> None:
    VMFactory.create(project=lab)
    told = operator.post(url(lab, "delete"))
    assert "The project still has 1 VM." in told
    event = Event.objects.get(type="request.refused")
    assert (event.project_id, event.details["code"]) == (lab.pk, "resource-in-use")


def test_the_default_project_is_not_deleted(
    operator: Operator, project: Project
) -> None:
    assert "Delete…" not in operator.get(url(project))
    assert "cannot be deleted" in operator.post(url(project, "delete"))
    assert Project.objects.default() == project


def test_a_delete_of_nothing_says_so(operator: Operator) -> None:
    assert "There is no project" in operator.post("compute/project/nonsense/delete/")


def test_deleted_projects_are_shown_on_request(
    operator: Operator, lab: Project, actor: Actor
) -> None:
    projects.delete(lab, actor=actor)
    assert ">lab</a>" not in operator.get("compute/project/")
    assert ">lab</a>" in operator.get("compute/project/?deleted=all")


# Members


def test_members_are_added_changed_and_removed_by_the_service(
    operator: Operator, lab: Project
) -> None:
    alice = UserFactory.create(username="alice")
    new = {"memberships-0-user": alice.username, "memberships-0-role": "reader"}
    submit(operator, lab, form(lab, **new))
    member = Membership.objects.get(project=lab)
    submit(operator, lab, form(lab, member, **{"memberships-0-role": "member"}))
    submit(operator, lab, form(lab, member, **{"memberships-0-DELETE": "on"}))
    assert types(lab)[1:] == [
        "membership.added",
        "membership.changed",
        "membership.removed",
    ]
    changed = Event.objects.get(type="membership.changed")
    assert changed.changes == {"role": ["reader", "member"]}
    assert changed.details == {"user": "alice"}
    assert (changed.subject_kind, changed.subject_name) == ("member", "alice")
    assert changed.actor == OPERATOR
    assert not Membership.objects.exists()


@pytest.mark.parametrize(
    "change", [{"memberships-0-DELETE": "on"}, {"memberships-0-role": "reader"}]
)
def test_the_last_admin_is_kept(
    operator: Operator, lab: Project, change: dict[str, str]
) -> None:
    alice = MembershipFactory.create(project=lab, role="admin")
    text = submit(operator, lab, form(lab, alice, **change))
    assert "A project needs an admin: Make somebody else an admin first." in text
    assert Membership.objects.get().role == "admin"
    event = Event.objects.get(type="request.refused")
    assert (event.project_id, event.details["code"]) == (lab.pk, "last-admin")


def test_an_admin_goes_when_another_comes_at_once(
    operator: Operator, lab: Project
) -> None:
    alice = MembershipFactory.create(project=lab, role="admin")
    bob = MembershipFactory.create(project=lab, role="member")
    values = form(
        lab,
        alice,
        bob,
        **{"memberships-0-role": "reader", "memberships-1-role": "admin"},
    )
    submit(operator, lab, values)
    roles = dict(Membership.objects.values_list("user", "role"))
    assert roles == {alice.user_id: "reader", bob.user_id: "admin"}


def test_a_row_does_not_become_somebody_elses(operator: Operator, lab: Project) -> None:
    alice = MembershipFactory.create(project=lab, role="admin")
    mallory = UserFactory.create()
    submit(operator, lab, form(lab, alice, **{"memberships-0-user": mallory.username}))
    assert Membership.objects.get().user_id == alice.user_id


def test_members_take_a_permission_of_their_own(lab: Project) -> None:
    alice = MembershipFactory.create(project=lab, role="member")
    names = ("view_project", "change_project", "view_membership")
    carl = staff("carl", *map(permission, names))
    page = carl.get(url(lab))
    assert str(alice.user) in page
    assert "memberships-0-role" not in page
    submit(carl, lab, form(lab, alice, **{"memberships-0-role": "admin"}))
    assert Membership.objects.get().role == "member"


# Quotas


def limit(project: Project, **limits: int | None) -> None:
    for resource, value in limits.items():
        Quota.objects.filter(project=project, resource=resource).update(limit=value)


def test_a_page_shows_use_and_limits(operator: Operator, lab: Project) -> None:
    limit(lab, vms=4, vcpus=None, ram_mb=0)
    Quota.objects.filter(project=lab, resource="vms").update(used=3)
    page = operator.get(url(lab))
    assert '<progress class="use use-good" max="100" value="75"' in page
    assert '<progress class="use use-bad" max="100" value="100"' in page
    # What is not limited has none.
    assert page.count("<progress") == len(Resource) - 1
    assert 'name="vms" value="4"' in page
    assert "style=" not in page


def test_limits_are_set_by_the_service(operator: Operator, lab: Project) -> None:
    limit(lab, vms=4, vcpus=8)
    shown = {"initial-vms": "4", "initial-vcpus": "8"}
    told = operator.post(url(lab, "actions/quota"), vms="6", vcpus="", **shown)
    assert "The limits were changed" in told
    event = Event.objects.get(type="quota.updated")
    assert event.changes == {"vms": [4, 6], "vcpus": [8, None]}
    assert (event.actor, event.project) == (OPERATOR, lab)


def test_a_limit_that_was_not_touched_stays_what_it_is(
    operator: Operator, lab: Project
) -> None:
    limit(lab, vms=4, vcpus=99)
    shown = {"initial-vms": "4", "initial-vcpus": "8"}
    operator.post(url(lab, "actions/quota"), vms="6", vcpus="8", **shown)
    assert Quota.objects.get(project=lab, resource="vcpus").limit == 99


@pytest.mark.parametrize("text", ["-1", "many", "1.5", str(2**60)])
def test_a_limit_that_is_none_is_refused(
    operator: Operator, lab: Project, text: str
) -> None:
    limit(lab, vms=4)
    assert "VMs: " in operator.post(url(lab, "actions/quota"), vms=text)
    assert Quota.objects.get(project=lab, resource="vms").limit == 4


def test_limits_take_a_permission_of_their_own(
    lab: Project, onlooker: Operator
) -> None:
    page = onlooker.get(url(lab))
    assert "<progress" in page
    assert "Save limits" not in page
    assert 'name="vms"' not in page
    assert onlooker.status_of_post(url(lab, "actions/quota"), vms="9") == 403
    names = ("view_project", "view_quota", "change_quota")
    quentin = staff("quentin", *map(permission, names))
    assert "Save limits" in quentin.get(url(lab))
    quentin.post(url(lab, "actions/quota"), vms="9")
    assert Quota.objects.get(project=lab, resource="vms").limit == 9
    blind = staff("bea", permission("view_project"))
    assert "<progress" not in blind.get(url(lab))


def test_limits_are_no_link_and_need_a_project(
    operator: Operator, lab: Project
) -> None:
    operator.get(url(lab, "actions/quota"), status=405)
    nowhere = "compute/project/00000000-0000-4000-8000-000000000000/actions/quota/"
    assert "There is no project" in operator.post(nowhere)


def test_the_list_shows_the_fullest_quota(operator: Operator, lab: Project) -> None:
    limit(lab, vms=10, vcpus=20, ram_mb=None, disk_gb=1000, snapshots=20)
    Quota.objects.filter(project=lab, resource="vcpus").update(used=19)
    Quota.objects.filter(project=lab, resource="ram_mb").update(used=10**6)
    page = operator.get("compute/project/")
    assert "19 of 20 vCPUs" in page
    assert '<progress class="use use-aside" max="100" value="95"' in page
    assert page.count("<progress") == 1


# Permissions


@pytest.mark.parametrize(
    ("codename", "verb"),
    [
        ("change_project", "change"),
        ("delete_project", "delete"),
        ("change_quota", "actions/quota"),
    ],
)
def test_each_write_takes_its_own_permission(
    lab: Project, onlooker: Operator, codename: str, verb: str
) -> None:
    assert onlooker.status_of_post(url(lab, verb), **form(lab)) == 403
    granted = staff("greta", permission("view_project"), permission(codename))
    assert granted.status_of_post(url(lab, verb), **form(lab)) == 302


def test_who_may_not_make_projects_gets_403(onlooker: Operator) -> None:
    onlooker.get("compute/project/add/", status=403)
    assert "add/" not in onlooker.get("compute/project/")
    assert onlooker.status_of_post("compute/project/add/", name="x") == 403
    assert Project.objects.count() == 1
