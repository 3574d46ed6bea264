"""API tokens: what was ended stays so, and a lesser one ends no greater one."""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from compute import tasks
from compute.errors import NotFound
from compute.models import APIToken, Membership, Project, Role, User
from compute.services import projects, tokens
from tests.conftest import ALICE
from tests.support.api import Api, as_user, problem
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.populated_projects import api_token, member
from tests.support.racing import at_once


def test_a_token_of_a_removed_member_stays_revoked(admin: User, shop: Project) -> None:
    bob = member(shop, Role.MEMBER, username="bob")
    elsewhere = MembershipFactory.create(user=bob).project
    secret, other = api_token(bob, shop, "member"), api_token(bob, elsewhere, "member")
    path = f"/projects/{shop.pk}/members/bob"
    assert as_user(admin).delete(path).status_code == 204
    assert as_user(admin).put(path, {"role": "member"}).status_code == 200
    problem(Api(secret).get("/vms"), 401, "unauthenticated")
    assert Api(other).get("/vms").status_code == 200


def test_a_token_is_lowered_and_raised_with_its_user(
    admin: User, shop: Project
) -> None:
    bob = member(shop, Role.ADMIN, username="bob")
    api = Api(api_token(bob, shop, "admin"))
    for role in ("reader", "member", "admin"):
        projects.set_member(shop, bob, role=Role(role), actor=ALICE)
        assert api.get("/auth/me").json()["token"]["role"] == role


@pytest.mark.parametrize(
    ("using", "against", "status"),
    [
        ("reader", "admin", 403),
        ("reader", "reader", 403),
        ("member", "admin", 403),
        ("member", "reader", 204),
        ("admin", "admin", 403),
        ("admin", "member", 204),
    ],
)
def test_a_token_ends_lesser_ones_alone(
    shop: Project, using: str, against: str, status: int
) -> None:
    bob = member(shop, Role.ADMIN, username="bob")
    secret = api_token(bob, shop, using)
    api_token(bob, shop, against)
    other = APIToken.objects.latest("created_at")
    answer = Api(secret).delete(f"/api-tokens/{other.pk}")
    assert answer.status_code == status, answer.content
    other.refresh_from_db()
    assert (other.revoked_at is None) == (status == 403)


def test_a_lowered_user_does_not_raise_what_their_token_ends(shop: Project) -> None:
    bob = member(shop, Role.ADMIN, username="bob")
    secret = api_token(bob, shop, "admin")
    api_token(bob, shop, "member")
    other = APIToken.objects.latest("created_at")
    Membership.objects.filter(user=bob).update(role="reader")
    assert Api(secret).delete(f"/api-tokens/{other.pk}").status_code == 403


def test_a_token_ends_itself(shop: Project) -> None:
    bob = member(shop, Role.READER, username="bob")
    api = Api(api_token(bob, shop, "reader"))
    path = f"/api-tokens/{APIToken.objects.get().pk}"
    assert api.delete(path).status_code == 204
    problem(api.get("/vms"), 401, "unauthenticated")


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("end", ["delete the project", "remove the member"])
def test_no_token_is_made_past_the_end(end: str) -> None:
    for _ in range(8):
        shop = ProjectFactory.create()
        MembershipFactory.create(project=shop, role="admin")
        bob = MembershipFactory.create(project=shop, role="member").user
        make = partial(
            tokens.create,
            user=bob,
            project=shop,
            role=Role.MEMBER,
            name="x",
            actor=ALICE,
            expires_at=None,
        )
        ending = (
            partial(projects.delete, shop, actor=ALICE)
            if end == "delete the project"
            else partial(projects.remove_member, shop, bob, actor=ALICE)
        )
        results = at_once(make, make, ending, make, make)
        alive = APIToken.objects.alive().filter(project=shop)
        assert not alive.exists(), results
        APIToken.objects.filter(project=shop).delete()


def test_a_project_that_is_gone_takes_no_token(shop: Project) -> None:
    stale = Project.objects.get(pk=shop.pk)
    root = UserFactory.create(is_staff=True, is_superuser=True)
    projects.delete(shop, actor=ALICE)
    with pytest.raises(NotFound):
        api_token(root, stale, "admin")


def test_beat_clears_what_ended_long_ago(
    admin: User, shop: Project, time_machine: time_machine.TimeMachineFixture
) -> None:
    api_token(admin, shop, "reader")
    kept = api_token(admin, shop, "reader")
    for token in APIToken.objects.filter(user=admin)[1:]:
        tokens.revoke(token, actor=ALICE)
    client = Client()
    client.force_login(admin)
    tasks.forget_logins()
    assert (APIToken.objects.count(), Session.objects.count()) == (2, 1)
    time_machine.move_to(timezone.now() + timedelta(days=31))
    tasks.forget_logins()
    assert (APIToken.objects.count(), Session.objects.count()) == (1, 0)
    assert Api(kept).get("/vms").status_code == 200
