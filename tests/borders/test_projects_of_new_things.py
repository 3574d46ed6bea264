"""A new thing goes where its owner says, never where somebody else made them a member."""

from typing import Any

import pytest
from pytest_django import Settings

from compute import throttling
from compute.models import VM, APIToken, Membership, Project, Role, User
from tests.support.api import Api, as_user, errors
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.populated_projects import api_token, member

NEW = {"name": "x", "flavor": "m1.small", "image": "cirros"}


@pytest.fixture
def victim(db: None) -> User:
    """A superuser who is a member of nothing."""
    user: User = User.objects.create_superuser("vera", password="x")
    return user


def test_an_admin_captures_no_vm_of_whom_they_add(
    admin: User, shop: Project, victim: User, project: Project, catalogue: None
) -> None:
    added = as_user(admin).put(f"/projects/{shop.pk}/members/vera", {"role": "member"})
    assert added.status_code == 200
    assert as_user(victim).post("/vms", NEW).status_code == 202
    assert VM.objects.get().project == project


@pytest.mark.parametrize(
    ("path", "body"), [("/vms", NEW), ("/api-tokens", {"name": "x"})]
)
def test_who_is_a_member_elsewhere_alone_names_the_project(
    shop: Project, catalogue: None, path: str, body: dict[str, Any]
) -> None:
    user = MembershipFactory.create(project=shop, role="admin").user
    assert errors(as_user(user).post(path, body)) == [("#/project", "required")]
    named = as_user(user).post(path, {**body, "project": str(shop.pk)})
    assert named.status_code in (201, 202)
    assert {*VM.objects.all(), *APIToken.objects.all()}.pop().project == shop


def test_who_may_only_read_the_default_project_names_another(
    project: Project, shop: Project, catalogue: None
) -> None:
    user = member(project, Role.READER, username="rita")
    MembershipFactory.create(project=shop, user=user, role="member")
    assert errors(as_user(user).post("/vms", NEW)) == [("#/project", "required")]


def test_an_api_token_has_its_own_project(shop: Project, catalogue: None) -> None:
    user = MembershipFactory.create(role="admin").user  # of the default project
    MembershipFactory.create(project=shop, user=user, role="member")
    api = Api(api_token(user, shop, "member"))
    assert api.post("/vms", NEW).json()["project"] == str(shop.pk)


# Who is there is nobody's to find out


def test_names_of_users_cannot_be_walked(admin: User, shop: Project) -> None:
    base = f"/projects/{shop.pk}/members"
    UserFactory.create(username="gone", is_active=False)
    told = {
        as_user(admin)
        .put(f"{base}/{name}", {"role": "reader"})
        .json()["detail"]
        .replace(name, "NAME")
        for name in ("gone", "nemo", "1", str(admin.pk), "Mallory")
    }
    assert told == {"No user NAME."}
    assert Membership.objects.filter(project=shop).count() == 1


def test_guesses_at_names_are_counted_as_guesses_at_passwords_are(
    admin: User, shop: Project, settings: Settings
) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "auth": "5/60 second"}
    throttling.reset()
    try:
        base, api = f"/projects/{shop.pk}/members", as_user(admin)
        UserFactory.create(username="hit")
        codes = [
            api.put(f"{base}/{name}", {"role": "reader"}).status_code
            for name in ("a", "b", "c", "d", "e", "f", "hit")
        ]
        assert codes == [404] * 5 + [429] * 2  # a hit tells no more than a miss
        # Members that are known cost nothing.
        assert api.put(f"{base}/mallory", {"role": "admin"}).status_code == 200
    finally:
        throttling.reset()


def test_a_member_has_no_number(admin: User, shop: Project) -> None:
    (row,) = as_user(admin).get(f"/projects/{shop.pk}/members").json()["results"]
    assert set(row) == {"username", "role", "created_at"}
