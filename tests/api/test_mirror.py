"""Who lists once and then follows the events has all that GET shows, as it is now."""

from typing import Any

import pytest

from compute.models import Event, Project, Role
from compute.services import keypairs, projects, snapshots, tokens, vms
from tests.conftest import ALICE, drain_all
from tests.support import invariants as ledger
from tests.support.api import Api, as_user
from tests.support.network_api import acted
from tests.support.populated_projects import Place, settle

pytestmark = pytest.mark.usefixtures("catalogue")

#: What changes by itself, or with other things, and is no new version.
UNTOLD = ("observed_at", "last_used_at", "vms", "role")
LISTS = (
    *("vms", "snapshots", "keypairs", "networks", "subnets", "routers"),
    *("floating-ips", "security-groups", "security-group-rules", "api-tokens"),
    "webhooks",
)


@pytest.fixture
def place() -> Place:
    return settle("home")[0]


@pytest.fixture
def admin(place: Place) -> Api:
    return as_user(place.people["admin"])


def followed(api: Api, after: str = "0") -> list[dict[str, Any]]:
    """Return all events after a cursor, in order."""
    found: list[dict[str, Any]] = []
    path: str | None = f"/events?per_page=100&after={after}"
    while path:
        answer = api.get(path)
        assert answer.status_code == 200, answer.content
        body = answer.json()
        found += body["results"]
        path = (body["next"] or "").partition("/api/v1")[2] or None
    return found


def plain(shown: dict[str, Any] | None) -> dict[str, Any] | None:
    return shown and {name: shown[name] for name in shown if name not in UNTOLD}


def listed(api: Api, project: Project) -> dict[str, Any]:
    """Return what a project has, by subject."""
    return {
        f"{name}/{row['id']}": plain(row)
        for name in LISTS
        for row in api.get(f"/{name}?project={project.pk}&per_page=100").json()[
            "results"
        ]
        if row["project"] == str(project.pk)
    }


def upheaval(place: Place, api: Api) -> None:
    """Change one of everything, and delete most of it."""
    ids, actor = place.ids, ALICE
    vms.update(place.vm, actor=actor, changes={"name": "other", "labels": {"a": "b"}})
    for act in ("stop", "start"):
        vms.act(place.vm, act, actor=actor)
        drain_all()
    acted(api, f"/floating-ips/{ids['floating_ip']}", "detach", {})
    drain_all()
    for path in (
        f"/snapshots/{ids['snapshot']}",
        f"/security-group-rules/{ids['rule']}",
        f"/floating-ips/{ids['floating_ip']}",
        f"/networks/{ids['spare_network']}",
        f"/keypairs/{ids['keypair']}",
        f"/api-tokens/{ids['token']}",
    ):
        assert api.delete(path).status_code in (202, 204), path
        drain_all()
    api.patch(f"/networks/{ids['network']}", {"description": "The one that is left."})


def test_a_list_and_the_events_after_it_are_what_there_is(
    place: Place, admin: Api
) -> None:
    mirror = listed(admin, place.project)
    answer = admin.get(f"/vms?project={place.project.pk}")
    upheaval(place, admin)
    for event in followed(admin, answer.headers["Event-Cursor"]):
        if event["subject"].partition("/")[0] in LISTS:
            mirror[event["subject"]] = plain(event["data"]["resource"])
    assert {key: row for key, row in mirror.items() if row} == listed(
        admin, place.project
    )
    ledger.check_versions()


def test_a_resource_is_what_get_shows_and_null_where_that_is_404(
    place: Place, admin: Api
) -> None:
    upheaval(place, admin)
    people = place.people
    projects.set_member(place.project, people["member"], role=Role.ADMIN, actor=ALICE)
    projects.remove_member(place.project, people["leaver"], actor=ALICE)
    admin.patch(f"/projects/{place.project.pk}", {"description": "Moved."})
    Api().patch(f"/projects/{place.project.pk}/quota", {"vms": {"limit": 50}})
    events = {event["subject"]: event for event in followed(admin)}
    seen = {subject.split("/")[0]: 0 for subject in events}
    assert seen.keys() == {*LISTS, "operations", "projects"}
    assert f"projects/{place.project.pk}/quota" in events
    assert f"projects/{place.project.pk}/members/home-leaver" in events
    for subject, event in events.items():
        answer = admin.get(f"/{subject}")
        resource = event["data"]["resource"]
        if resource is None:
            assert answer.status_code == 404, subject
            continue
        assert resource == answer.json(), subject
        if "version" in resource:
            assert resource["version"] == event["data"]["version"], subject


def test_an_event_tells_where_a_thing_stood_and_where_it_stands(
    place: Place, admin: Api
) -> None:
    vms.update(place.vm, actor=ALICE, changes={"name": "first"})
    vms.update(place.vm, actor=ALICE, changes={"name": "second"})
    *_, before, after = followed(admin)
    for event, changes in (
        (before, {"name": ["home-vm", "first"]}),
        (after, {"name": ["first", "second"]}),
    ):
        assert event["data"]["changes"] == changes
        assert event["data"]["resource"]["name"] == "second"
    assert before["data"]["version"] + 1 == after["data"]["version"]
    assert after["data"]["version"] == after["data"]["resource"]["version"]


def test_changes_are_in_the_words_of_what_get_shows(place: Place, admin: Api) -> None:
    events = followed(admin)
    snapshot = admin.get(f"/snapshots/{place.ids['snapshot']}").json()
    ends = [event["data"]["changes"] for event in events if "size_gb" in str(event)]
    assert [None, snapshot["size_gb"]] in [end.get("size_gb") for end in ends]
    assert [None, snapshot["image"]] in [end.get("image") for end in ends]
    for event in events:
        changes, resource = event["data"]["changes"], event["data"]["resource"]
        assert resource is None or changes.keys() <= resource.keys(), event


def test_one_subject_is_asked_for(place: Place, admin: Api) -> None:
    for subject in {event["subject"] for event in followed(admin)}:
        found = admin.get(f"/events?subject={subject}").json()["results"]
        assert {row["subject"] for row in found} == {subject}


def test_every_event_of_a_project_is_about_something(place: Place, admin: Api) -> None:
    upheaval(place, admin)
    assert all(event["subject"] for event in followed(admin))


def test_no_secret_is_in_an_event(place: Place, admin: Api) -> None:
    secret = "hunter2-of-cloud-init"  # pragma: allowlist secret
    vms.create(
        project=place.project,
        actor=ALICE,
        name="told",
        flavor="m1.tiny",
        image="cirros",
        user_data=secret,
    )
    _, token = tokens.create(
        user=place.people["admin"],
        project=place.project,
        role=Role.READER,
        name="key",
        actor=ALICE,
        expires_at=None,
    )
    _, private = keypairs.create(project=place.project, actor=ALICE, name="pair")
    assert private is not None
    text = str(followed(admin))
    for hidden in (secret, "digest", token, private.splitlines()[1]):
        assert hidden not in text


def test_what_older_versions_wrote_is_told_apart(place: Place, admin: Api) -> None:
    place.project.refresh_from_db()
    newest = place.project.event_sequence
    Event.objects.create(
        project=place.project,
        sequence=newest + 1,
        type="vm.drifted",
        subject_kind="vm",
        subject_id=place.vm.pk,
        actor="system",
        data={"flavor_name": ["m1.tiny", "m1.small"], "error": {"code": "x"}, "n": 7},
    )
    Project.objects.filter(pk=place.project.pk).update(event_sequence=newest + 1)
    (event,) = followed(admin, str(newest))
    data = event["data"]
    assert data["changes"] == {"flavor": ["m1.tiny", "m1.small"]}
    assert data["details"] == {"error": {"code": "x"}, "n": 7}
    assert (data["version"], data["resource"]["id"]) == (None, str(place.vm.pk))


def test_it_costs_one_query_for_each_kind(
    place: Place, admin: Api, django_assert_max_num_queries: Any
) -> None:
    upheaval(place, admin)
    kinds = {event["subject"].split("/")[0] for event in followed(admin)}
    # Who asks, is the next one there, the page, what the clouds confirmed.
    with django_assert_max_num_queries(4 + len(kinds)):
        admin.get("/events?after=0&per_page=100")
    snapshots.create(place.vm, actor=ALICE, name="more")
    drain_all()
    with django_assert_max_num_queries(4 + len(kinds)):
        admin.get("/events?after=0&per_page=100")
