"""API tokens: shown once, bound to one project and role, ended at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from compute.models import APIToken, Event, Project, User
from tests.support.api import Api, as_user, errors, operator, problem
from tests.support.factories import (
    MembershipFactory,
    ProjectFactory,
    UserFactory,
    VMFactory,
)


@pytest.fixture
def carol(project: Project) -> User:
    user: User = MembershipFactory.create(user__username="carol").user
    return user


def make(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post("/api-tokens", {"name": "ci", "role": "member", **body})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def test_a_token_is_shown_once(carol: User, project: Project) -> None:
    api = as_user(carol)
    made = make(api)
    assert made["token"].startswith("osl_")
    assert len(made["token"]) == len("osl_") + 43
    assert made["prefix"] == made["token"][:12]
    shown = api.get(f"/api-tokens/{made['id']}").json()
    assert shown == {**made, "token": None}
    assert api.get("/api-tokens").json()["results"] == [shown]


def test_what_is_stored_cannot_be_used(carol: User) -> None:
    secret = make(as_user(carol))["token"]
    token = APIToken.objects.get()
    assert secret not in str(vars(token))
    problem(Api(token.digest).get("/auth/me"), 401, "unauthenticated")
    problem(Api(f"osl_{token.digest}").get("/auth/me"), 401, "unauthenticated")


def test_a_token_opens_its_project_and_no_other(carol: User, project: Project) -> None:
    other = ProjectFactory.create()
    MembershipFactory.create(user=carol, project=other, role="admin")
    here, there = VMFactory.create(), VMFactory.create(project=other)
    api = Api(make(as_user(carol), project=str(project.pk))["token"])
    assert api.get(f"/vms/{here.pk}").status_code == 200
    problem(api.get(f"/vms/{there.pk}"), 404, "not-found")
    assert api.get("/auth/me").json()["projects"] == [
        {"id": str(project.pk), "name": "default", "role": "member"}
    ]


def test_a_token_is_never_worth_more_than_its_user(
    carol: User, project: Project
) -> None:
    own = as_user(carol)
    refused = own.post("/api-tokens", {"name": "x", "role": "admin"})
    problem(refused, 403, "permission-denied")
    api = Api(make(own)["token"])
    carol.memberships.update(role="reader")
    problem(api.post("/vms", {}), 403, "permission-denied")
    body = {"name": "x", "flavor": "m1.small", "image": "cirros"}
    problem(api.post("/vms", body), 403, "permission-denied")
    assert api.get("/auth/me").json()["token"]["role"] == "reader"
    carol.memberships.all().delete()
    problem(api.get("/vms"), 401, "unauthenticated")


def test_a_token_of_somebody_deactivated_opens_nothing(carol: User) -> None:
    api = Api(make(as_user(carol))["token"])
    User.objects.filter(pk=carol.pk).update(is_active=False)
    problem(api.get("/vms"), 401, "unauthenticated")


def test_an_operators_token_is_bound_to_its_project_all_the_same(
    project: Project,
) -> None:
    other = VMFactory.create(project=ProjectFactory.create())
    api = Api(make(Api(), role="admin", project=str(project.pk))["token"])
    problem(api.get(f"/vms/{other.pk}"), 404, "not-found")
    problem(api.post("/projects", {"name": "x"}), 403, "permission-denied")
    assert api.get("/auth/me").json()["is_operator"] is False


def test_an_operator_makes_no_token_that_is_worth_more_than_the_account(
    project: Project,
) -> None:
    names = ("view_project", "add_apitoken")
    clerk = UserFactory.create(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    body = {"name": "x", "project": str(project.pk), "role": "reader"}
    refused = as_user(clerk).post("/api-tokens", body)
    problem(refused, 403, "permission-denied")
    MembershipFactory.create(user=clerk, role="reader")
    assert as_user(clerk).post("/api-tokens", body).status_code == 201


def test_a_revoked_token_is_refused_at_once(carol: User) -> None:
    own = as_user(carol)
    made = make(own)
    api = Api(made["token"])
    assert api.get("/vms").status_code == 200
    assert own.delete(f"/api-tokens/{made['id']}").status_code == 204
    problem(api.get("/vms"), 401, "unauthenticated")
    problem(own.get(f"/api-tokens/{made['id']}"), 404, "not-found")
    problem(own.delete(f"/api-tokens/{made['id']}"), 404, "not-found")
    types = Event.objects.filter(type__startswith="api-token.").values_list(
        "type", "actor"
    )
    assert sorted(types) == [
        ("api-token.created", "user:carol"),
        ("api-token.revoked", "user:carol"),
    ]


def test_an_expired_token_says_so(carol: User) -> None:
    api = Api(make(as_user(carol))["token"])
    APIToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    problem(api.get("/vms"), 401, "token-expired")


def test_a_token_ends_in_ninety_days_unless_told_otherwise(carol: User) -> None:
    own = as_user(carol)
    make(own)
    default = APIToken.objects.latest("created_at").expires_at
    assert default is not None
    assert timedelta(days=89) < default - timezone.now() < timedelta(days=91)
    assert make(own, expires_at=None)["expires_at"] is None
    past = own.post("/api-tokens", {"name": "x", "expires_at": "2020-01-01T00:00:00Z"})
    assert errors(past) == [("#/expires_at", "past")]


def test_a_token_makes_no_tokens(carol: User) -> None:
    api = Api(make(as_user(carol))["token"])
    problem(api.post("/api-tokens", {"name": "x"}), 403, "permission-denied")


def test_its_use_is_noted_to_the_minute(carol: User) -> None:
    api = Api(make(as_user(carol))["token"])
    api.get("/vms")
    first = APIToken.objects.get().last_used_at
    assert first is not None
    api.get("/vms")
    assert APIToken.objects.get().last_used_at == first
    APIToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get("/vms")
    assert APIToken.objects.get().last_used_at != first - timedelta(minutes=2)


def test_people_see_their_own_and_an_admin_all_of_the_project(
    carol: User, project: Project
) -> None:
    made = make(as_user(carol))
    dave = as_user(MembershipFactory.create().user)
    assert dave.get("/api-tokens").json()["results"] == []
    problem(dave.delete(f"/api-tokens/{made['id']}"), 404, "not-found")
    admin = as_user(MembershipFactory.create(role="admin").user)
    assert len(admin.get("/api-tokens").json()["results"]) == 1
    assert admin.delete(f"/api-tokens/{made['id']}").status_code == 204


def test_a_replay_shows_no_secret(carol: User) -> None:
    own = as_user(carol)
    body = {"name": "ci"}
    first = own.post("/api-tokens", body, Idempotency_Key="k")
    again = own.post("/api-tokens", body, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {**first.json(), "token": None}
    assert first.headers["Cache-Control"] == "no-store"
    assert APIToken.objects.count() == 1


def test_who_acts_with_a_token_is_recorded_with_it(
    carol: User, catalogue: None
) -> None:
    made = make(as_user(carol))
    Api(made["token"]).post(
        "/vms", {"name": "x", "flavor": "m1.small", "image": "cirros"}
    )
    event = Event.objects.get(type="vm.created")
    assert (event.actor, event.token) == ("user:carol", made["prefix"])
    assert event.address == "127.0.0.1"
    assert operator().username != "carol"
