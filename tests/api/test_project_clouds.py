"""Which clouds a project may use, over HTTP."""

import pytest

from compute.models import VM, Event, Project, User
from compute.services import catalog
from providers.mock import MockCloud
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory, ProjectFactory

VM_BODY = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}


@pytest.fixture
def shop(catalogue: None, other_cloud: MockCloud) -> Project:
    """A project that may use the second of two clouds alone."""
    catalog.refresh("other")
    shop: Project = ProjectFactory.create(name="shop", clouds=["other"])
    return shop


@pytest.fixture
def admin(shop: Project) -> User:
    user: User = MembershipFactory.create(project=shop, role="admin").user
    return user


def test_an_operator_sets_them(api: Api, shop: Project) -> None:
    path = f"/projects/{shop.pk}"
    assert api.get(path).json()["clouds"] == ["other"]
    changed = api.patch(path, {"clouds": ["default", "other"]})
    assert (changed.json()["clouds"], changed.json()["version"]) == (
        ["default", "other"],
        2,
    )
    listed = {row["name"]: row for row in api.get("/projects").json()["results"]}
    assert listed["shop"]["clouds"] == ["default", "other"]
    assert listed["default"]["clouds"] is None
    assert api.patch(path, {"clouds": None}).json()["clouds"] is None
    described = api.patch(path, {"description": "All of it."})
    assert described.json()["clouds"] is None
    events = Event.objects.filter(type="project.updated").order_by("sequence")
    assert [event.changes for event in events][:2] == [
        {"clouds": [["other"], ["default", "other"]]},
        {"clouds": [["default", "other"], None]},
    ]


def test_an_operator_makes_a_project_with_them(api: Api, shop: Project) -> None:
    made = api.post("/projects", {"name": "lab", "clouds": ["other"]})
    assert (made.status_code, made.json()["clouds"]) == (201, ["other"])
    assert api.post("/projects", {"name": "all"}).json()["clouds"] is None
    assert api.post("/projects", {"name": "x", "clouds": None}).json()["clouds"] is None


@pytest.mark.parametrize(
    ("clouds", "expected"),
    [
        ([], [("#/clouds", "empty")]),
        ("default", [("#/clouds", "not_a_list")]),
        ({"default": 1}, [("#/clouds", "not_a_list")]),
        (["default", 1], [("#/clouds/1", "invalid")]),
        ([None], [("#/clouds/0", "null")]),
        ([""], [("#/clouds/0", "blank")]),
        (["default", "moon"], [("#/clouds/1", "does_not_exist")]),
        (["default", "other", "default"], [("#/clouds/2", "repeated")]),
    ],
)
def test_a_wrong_list_is_400_and_says_where(
    api: Api, shop: Project, clouds: object, expected: list[tuple[str, str]]
) -> None:
    answers = (
        api.patch(f"/projects/{shop.pk}", {"clouds": clouds}),
        api.post("/projects", {"name": "lab", "clouds": clouds}),
    )
    for answer in answers:
        assert errors(answer) == expected
    shop.refresh_from_db()
    assert (shop.clouds, shop.version) == (["other"], 1)


def test_its_admin_sees_them_and_does_not_set_them(admin: User, shop: Project) -> None:
    api, path = as_user(admin), f"/projects/{shop.pk}"
    assert api.get(path).json()["clouds"] == ["other"]
    # Also if nothing would change, and whether or not there is such a cloud.
    for clouds in (["other"], ["default"], ["moon"], None):
        refused = problem(api.patch(path, {"clouds": clouds}), 403, "permission-denied")
        assert refused["detail"] == "project.set-clouds requires an operator."
    assert api.patch(path, {"name": "store"}).json()["clouds"] == ["other"]
    event = Event.objects.get(type="request.refused")
    assert (event.project, event.details["code"]) == (shop, "permission-denied")


def test_new_vms_go_to_the_first(admin: User, shop: Project) -> None:
    body = {**VM_BODY, "project": str(shop.pk)}
    assert as_user(admin).post("/vms", body).json()["cloud"] == "other"


def test_a_cloud_of_others_is_answered_as_one_that_does_not_exist(
    admin: User, shop: Project
) -> None:
    body = {**VM_BODY, "project": str(shop.pk)}
    rows = []
    for alias in ("default", "moon"):
        answer = as_user(admin).post("/vms", {**body, "cloud": alias})
        (row,) = problem(answer, 400, "validation-error")["errors"]
        rows.append({**row, "detail": row["detail"].replace(alias, "X")})
    assert rows[0] == rows[1]
    assert rows[0] == {
        "pointer": "#/cloud",
        "code": "does_not_exist",
        "detail": "No cloud X.",
    }
    assert not VM.objects.exists()
