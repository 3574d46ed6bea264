"""Projects, their members and their quotas over HTTP."""

import pytest

from compute.models import (
    APIToken,
    Event,
    Membership,
    Project,
    Quota,
    Role,
    SecurityGroup,
    User,
)
from compute.services import tokens
from tests.conftest import ALICE
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import (
    MembershipFactory,
    ProjectFactory,
    SnapshotFactory,
    UserFactory,
    VMFactory,
)


@pytest.fixture
def shop(db: None) -> Project:
    shop: Project = ProjectFactory.create(name="shop")
    return shop


@pytest.fixture
def admin(shop: Project) -> User:
    user: User = MembershipFactory.create(project=shop, role="admin").user
    return user


def test_an_operator_makes_a_project_with_the_quotas_of_the_settings(api: Api) -> None:
    answer = api.post("/projects", {"name": "shop", "description": "All of it."})
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["Location"].endswith(f"/api/v1/projects/{made['id']}")
    assert answer.headers["ETag"] == '"1"'
    assert (made["name"], made["role"]) == ("shop", None)
    quota = api.get(f"/projects/{made['id']}/quota").json()
    assert quota["vms"] == {"limit": 10, "used": 0}
    assert quota["ram_mb"] == {"limit": 51_200, "used": 0}
    assert Event.objects.get(project=made["id"]).type == "project.created"


def test_names_are_taken_once(api: Api, shop: Project) -> None:
    problem(api.post("/projects", {"name": "shop"}), 409, "name-conflict")
    other = api.post("/projects", {"name": "other"}).json()["id"]
    conflict = api.patch(f"/projects/{other}", {"name": "shop"})
    problem(conflict, 409, "name-conflict")
    assert api.delete(f"/projects/{shop.pk}").status_code == 204
    assert api.post("/projects", {"name": "shop"}).status_code == 201


def test_a_project_is_made_once_per_key(api: Api) -> None:
    body = {"name": "shop"}
    first = api.post("/projects", body, Idempotency_Key="k")
    again = api.post("/projects", body, Idempotency_Key="k")
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = api.post("/projects", {"name": "x"}, Idempotency_Key="k")
    problem(other, 422, "idempotency-key-reused")


def test_its_admin_renames_it(admin: User, shop: Project) -> None:
    api = as_user(admin)
    answer = api.patch(f"/projects/{shop.pk}", {"name": "store"}, If_Match='"1"')
    assert (answer.json()["name"], answer.json()["version"]) == ("store", 2)
    late = api.patch(f"/projects/{shop.pk}", {"name": "shop"}, If_Match='"1"')
    problem(late, 412, "precondition-failed")
    assert Event.objects.get(project=shop).changes == {"name": ["shop", "store"]}


def test_the_default_project_stays(api: Api, project: Project) -> None:
    problem(api.delete(f"/projects/{project.pk}"), 409, "resource-in-use")
    renamed = api.patch(f"/projects/{project.pk}", {"name": "other"})
    problem(renamed, 409, "resource-in-use")
    described = api.patch(f"/projects/{project.pk}", {"description": "For all."})
    assert described.status_code == 200


def test_a_project_that_holds_something_cannot_be_deleted(
    api: Api, shop: Project
) -> None:
    vm = VMFactory.create(project=shop)
    snapshot = SnapshotFactory.create(vm=vm)
    group = SecurityGroup.objects.create(
        project=shop, cloud="default", name="web", status="ACTIVE"
    )
    refused = problem(api.delete(f"/projects/{shop.pk}"), 409, "resource-in-use")
    assert (refused["vms"], refused["snapshots"]) == (1, 1)
    listed = "The project still has 1 VM, 1 snapshot and 1 security group."
    assert refused["detail"] == listed
    for row in (vm, snapshot, group):
        row.deleted_at = shop.created_at
        type(row).objects.filter(pk=row.pk).update(
            status="DELETED", deleted_at=row.deleted_at
        )
    assert api.delete(f"/projects/{shop.pk}").status_code == 204


def test_a_deleted_project_is_left_by_all(api: Api, admin: User, shop: Project) -> None:
    token, secret = tokens.create(
        user=admin,
        project=shop,
        role=Role.READER,
        name="x",
        actor=ALICE,
        expires_at=None,
    )
    assert api.delete(f"/projects/{shop.pk}").status_code == 204
    problem(api.get(f"/projects/{shop.pk}"), 404, "not-found")
    problem(Api(secret).get("/vms"), 401, "unauthenticated")
    token = APIToken.objects.get(pk=token.pk)
    assert token.revoked_at is not None
    assert not Membership.objects.filter(project=shop).exists()
    assert as_user(admin).get("/projects").json()["results"] == []


def test_people_see_their_projects_with_their_role(admin: User, shop: Project) -> None:
    ProjectFactory.create()
    (row,) = as_user(admin).get("/projects").json()["results"]
    assert (row["name"], row["role"]) == ("shop", "admin")


# Members


def test_an_admin_gives_roles_and_takes_them(admin: User, shop: Project) -> None:
    api, bob = as_user(admin), UserFactory.create(username="bob")
    path = f"/projects/{shop.pk}/members/{bob.username}"
    first = api.put(path, {"role": "reader"})
    assert first.status_code == 200
    assert (first.json()["username"], first.json()["role"]) == ("bob", "reader")
    assert api.put(path, {"role": "member"}).json()["role"] == "member"
    assert api.put(path, {"role": "member"}).json()["role"] == "member"
    listed = api.get(f"/projects/{shop.pk}/members").json()["results"]
    assert [row["role"] for row in listed] == ["admin", "member"]
    assert api.delete(path).status_code == 204
    problem(api.delete(path), 404, "not-found")
    assert list(
        Event.objects.filter(project=shop)
        .order_by("sequence")
        .values_list("type", flat=True)
    ) == ["membership.added", "membership.changed", "membership.removed"]


def test_a_project_keeps_its_last_admin(admin: User, shop: Project) -> None:
    api, path = as_user(admin), f"/projects/{shop.pk}/members/{admin.username}"
    problem(api.put(path, {"role": "member"}), 409, "last-admin")
    problem(api.delete(path), 409, "last-admin")
    MembershipFactory.create(project=shop, role="admin")
    assert api.put(path, {"role": "member"}).status_code == 200


def test_nobody_unknown_becomes_a_member(admin: User, shop: Project) -> None:
    api = as_user(admin)
    base = f"/projects/{shop.pk}/members"
    problem(api.put(f"{base}/nemo", {"role": "reader"}), 404, "not-found")
    gone = UserFactory.create(is_active=False)
    problem(api.put(f"{base}/{gone.username}", {"role": "reader"}), 404, "not-found")
    assert errors(api.put(f"{base}/{admin.username}", {"role": "king"})) == [
        ("#/role", "invalid_choice")
    ]
    # Longer than a column could hold.
    far = api.put(f"{base}/{'x' * 3000}", {"role": "reader"})
    problem(far, 404, "not-found")


def test_who_is_active_no_more_can_be_taken_out(admin: User, shop: Project) -> None:
    base = f"/projects/{shop.pk}/members"
    gone = UserFactory.create(is_active=False)
    MembershipFactory.create(project=shop, user=gone)
    assert as_user(admin).delete(f"{base}/{gone.username}").status_code == 204
    assert list(Membership.objects.filter(project=shop, user=gone)) == []


def test_who_is_no_member_is_taken_out_as_who_does_not_exist(
    admin: User, shop: Project
) -> None:
    base, stranger = f"/projects/{shop.pk}/members", UserFactory.create()
    for name in (stranger.username, "nemo"):
        answer = as_user(admin).delete(f"{base}/{name}")
        assert problem(answer, 404, "not-found")["detail"] == f"No member {name}."


# Quotas


def test_limits_and_use_stand_together(api: Api, shop: Project) -> None:
    path = f"/projects/{shop.pk}/quota"
    changed = api.patch(path, {"vms": {"limit": 3}, "snapshots": {"limit": 0}})
    assert changed.json()["vms"] == {"limit": 3, "used": 0}
    assert changed.json()["vcpus"] == {"limit": None, "used": 0}
    assert api.patch(path, {"vms": {"limit": None}}).json()["vms"]["limit"] is None
    assert errors(api.patch(path, {"vms": {"limit": -1}})) == [
        ("#/vms/limit", "min_value")
    ]
    assert errors(api.patch(path, {"gpus": {"limit": 1}})) == [("#/gpus", "unknown")]
    assert api.patch(path, {"vms": {}}).json()["vms"] == {"limit": None, "used": 0}
    assert errors(api.patch(path, {"vms": {"limit": 2**63}})) == [
        ("#/vms/limit", "max_value")
    ]
    first = Event.objects.filter(project=shop).earliest("sequence")
    assert (first.type, first.changes) == (
        "quota.updated",
        {"vms": [None, 3], "snapshots": [None, 0]},
    )


def test_what_is_too_much_is_refused_with_the_numbers(
    api: Api, catalogue: None, project: Project
) -> None:
    Quota.objects.filter(project=project, resource="ram_mb").update(limit=3000)
    body = {"name": "x", "flavor": "m1.small", "image": "cirros"}
    assert api.post("/vms", body).status_code == 202
    refused = problem(api.post("/vms", body), 403, "resource-limit-exceeded")
    assert [refused[name] for name in ("resource", "limit", "used", "requested")] == [
        "ram_mb",
        3000,
        2048,
        2048,
    ]
    event = Event.objects.get(type="request.refused")
    assert (event.outcome, event.project, event.actor) == (
        "REFUSED",
        project,
        "user:alice",
    )
    assert event.details["code"] == "resource-limit-exceeded"
