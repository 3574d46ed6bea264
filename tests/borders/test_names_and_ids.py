"""Ids win over names, no name passes for an id, and none tells of another project."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from compute.models import VM, Image, Project, Role, User
from tests.support.api import Api, as_user, errors, problem
from tests.support.console import Operator
from tests.support.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.support.populated_projects import member, staff

IDS = (
    "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    "8F2D6C1E6F0C4C1E9D0A3A3F1D1B2C11",  # pragma: allowlist secret
    "{8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11}",
    "urn:uuid:8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11",
)


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.mark.parametrize("name", IDS)
def test_no_project_is_named_like_an_id(
    api: Api, operator: Operator, shop: Project, name: str
) -> None:
    assert errors(api.post("/projects", {"name": name})) == [("#/name", "invalid")]
    renamed = api.patch(f"/projects/{shop.pk}", {"name": name})
    assert errors(renamed) == [("#/name", "invalid")]
    page = operator.client.post("/admin/compute/project/add/", {"name": name})
    assert "Must not look like an id." in page.content.decode()
    with pytest.raises(CommandError, match="Must not look like an id"):
        call_command("createproject", name)
    assert set(Project.objects.values_list("name", flat=True)) == {"default", "shop"}


def test_the_id_wins_in_the_console(
    operator: Operator, shop: Project, catalogue: None
) -> None:
    # One that had its name before such names were refused.
    ProjectFactory.create(name=str(shop.pk))
    new = {
        "name": "x",
        "flavor": "m1.small",
        "image": "cirros",
        "cloud": "default",
        "project": str(shop.pk),
    }
    operator.post("compute/vm/add/", **new)
    assert VM.objects.get().project == shop


def test_the_id_wins_in_commands(shop: Project) -> None:
    user = MembershipFactory.create(project=shop, role="reader").user
    ProjectFactory.create(name=str(shop.pk))
    out = StringIO()
    words = ["--user", user.username, "--project", str(shop.pk)]
    call_command("createtoken", *words, stdout=out)
    assert user.api_tokens.get().project == shop


def test_the_id_of_an_image_wins_over_the_name_of_another(
    api: Api, project: Project, catalogue: None
) -> None:
    real = Image.objects.get(name="cirros")
    for reference in (str(real.pk), real.provider_id):
        ImageFactory.create(name=reference, project=project)
        body = {"name": "x", "flavor": "m1.small", "image": reference}
        made = api.post("/vms", body)
        assert made.status_code == 202, made.content
        assert made.json()["image_id"] == str(real.pk)


# A name tells nothing of what one may not see


def test_a_rename_does_not_tell_of_another_project(admin: User, shop: Project) -> None:
    ProjectFactory.create(name="secret-merger")
    api, path = as_user(admin), f"/projects/{shop.pk}"
    known = api.patch(path, {"name": "secret-merger"})
    unknown = api.patch(path, {"name": "no-such-thing"})
    assert (known.status_code, unknown.status_code) == (200, 200)


def test_a_name_is_taken_once_among_what_one_sees(admin: User, shop: Project) -> None:
    other = ProjectFactory.create(name="other")
    MembershipFactory.create(project=other, user=admin, role="reader")
    conflict = as_user(admin).patch(f"/projects/{shop.pk}", {"name": "other"})
    problem(conflict, 409, "name-conflict")


def test_there_is_one_default_project(admin: User, shop: Project, api: Api) -> None:
    conflict = as_user(admin).patch(f"/projects/{shop.pk}", {"name": "default"})
    problem(conflict, 409, "name-conflict")
    problem(api.post("/projects", {"name": "default"}), 409, "name-conflict")
    with transaction.atomic(), pytest.raises(IntegrityError):
        ProjectFactory.create(name="default")


def test_a_name_of_several_is_refused_where_one_is_meant(
    operator: Operator, shop: Project, catalogue: None
) -> None:
    ProjectFactory.create(name="shop")
    with pytest.raises(CommandError, match="Several projects are called shop"):
        call_command("createtoken", "--user", "olga", "--project", "shop")
    new = {"name": "x", "flavor": "m1.small", "image": "cirros", "cloud": "default"}
    page = operator.client.post("/admin/compute/vm/add/", {**new, "project": "shop"})
    assert "Several projects are called shop: give an id." in page.content.decode()
    assert not VM.objects.exists()


# Who gives a role may do all of it


def test_who_may_set_members_alone_gives_no_role_that_is_worth_more(
    shop: Project,
) -> None:
    clerk = staff("clerk", "view_project", "view_membership", "change_membership")
    member(shop, Role.READER, username="bob")
    for name in ("clerk", "bob"):
        path = f"/projects/{shop.pk}/members/{name}"
        for role in ("reader", "admin"):
            refused = as_user(clerk).put(path, {"role": role})
            problem(refused, 403, "permission-denied")
    assert as_user(clerk).delete(path).status_code == 204
