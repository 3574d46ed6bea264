"""How PostgreSQL reads the lists that may be long: never the whole table.

Every ordering with every filter, as an operator, as a member of one project and of three.
What a page costs is the rows that are looked at; they are counted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from compute.api import following
from compute.api.events import EventViewSet
from compute.api.operations import OperationViewSet
from compute.api.snapshots import SnapshotViewSet
from compute.api.vms import VMViewSet
from compute.models import VM, Operation, Project, Role
from tests.support.api import Api, as_user
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.many_rows import VMS, make_many

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

LISTS = {
    "/vms": VMViewSet,
    "/snapshots": SnapshotViewSet,
    "/operations": OperationViewSet,
    "/events": EventViewSet,
}
#: A page of 20 may look at so many rows of 20,000: the square root of what is asked for
#: times what is there, a few times over, which is what two conditions that no index has
#: together cost at worst.
MOST = 2000

OLD, RECENT = "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"
TIMES = (OLD, RECENT)


def values(vm: VM, operation: Operation, projects: Sequence[Project]) -> dict[str, Any]:
    """Return what each filter is given: something common, rare, and not there."""
    ids = (str(vm.pk), str(projects[0].pk))
    return {
        "id": ids,
        "name": (vm.name, "nobody"),
        "name__contains": ("a", "zq", "é", vm.name[2:8].upper(), "no-such-name"),
        "status": {
            "/vms": ("ACTIVE", "ERROR", "RESCUE", "RESIZE", "RESIZE,ACTIVE"),
            "/snapshots": ("AVAILABLE", "ERROR", "DELETING"),
            "/operations": ("SUCCEEDED", "FAILED", "PENDING", "PENDING,RUNNING"),
        },
        "flavor": ("m1.small", "nobody", str(vm.flavor_id), ids[0]),
        "image": ("cirros", "nobody", str(vm.image_id), ids[0]),
        "project": (str(projects[0].pk), f"{projects[1].pk},{projects[2].pk}", ids[0]),
        "search": (
            *("a", "zq", vm.name[2:8], "no-such-name", str(vm.pk)[:8]),
            *("10.10.", "10.99", vm.addresses[0]["ip"]),
        ),
        # That almost all have a label is no help to find those that lack it: all rows
        # are looked at for `!env`.
        "label_selector": ("env=prod", "env=none", "legacy", "!legacy", "env!=none"),
        "vm": ids,
        "target": ids,
        "operation": (str(operation.pk), ids[0]),
        "subject": tuple(f"vms/{id}" for id in ids),
        "type": {
            "/operations": ("vm.start", "vm.rescue", "vm.rebuild"),
            "/events": ("vm.updated", "vm.drifted", "nothing"),
        },
        "outcome": ("SUCCEEDED", "REFUSED", "FAILED"),
        "actor": ("system", "user:bob", "nobody"),
        "request_id": ("req-17", "nothing"),
        **dict.fromkeys(
            ("created_at__gte", "created_at__lt", "updated_at__gte", "updated_at__lt"),
            TIMES,
        ),
    }


def questions(path: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield every ordering with every filter that a list offers."""
    view: Any = LISTS[path]
    for name in view.orderings:
        for ordering in (name, f"-{name}"):
            yield f"{path}?cursor=&ordering={ordering}"
            for parameter in view.filterset_class.base_filters:
                given = known[parameter]  # a filter that is new needs values, too
                for value in given[path] if isinstance(given, dict) else given:
                    asked = f"{parameter}={quote(value)}"
                    yield f"{path}?cursor=&ordering={ordering}&{asked}"


def rows_looked_at(plan: Mapping[str, Any]) -> int:
    """Return how many rows the nodes of a plan have read or dropped."""
    removed = sum(
        count for key, count in plan.items() if key.startswith("Rows Removed by")
    )
    own = 0 if plan.get("Plans") else plan["Actual Rows"]
    loops = plan["Actual Loops"]
    below = sum(map(rows_looked_at, plan.get("Plans", ())))
    return int((own + removed) * loops) + below


def test_what_a_plan_looks_at_is_counted(api: Api) -> None:
    make_many()
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM compute_vm"
            " WHERE description = 'nowhere' ORDER BY created_at"
        )
        (plan,) = _read(cursor.fetchone()[0])
    assert rows_looked_at(plan["Plan"]) >= VMS


@pytest.mark.parametrize("who", ["operator", "member of one", "member of three"])
def test_a_page_looks_at_few_rows(api: Api, who: str) -> None:
    projects = make_many()
    if who != "operator":
        user = UserFactory.create()
        for project in projects[:1] if who == "member of one" else projects[1:4]:
            MembershipFactory.create(user=user, project=project, role=Role.ADMIN)
        api = as_user(user)
    vm = VM.objects.filter(project=projects[1])[0]
    known = values(vm, Operation.objects.get(target_id=vm.pk), projects)
    costly = {
        question: plan
        for path in LISTS
        for question in questions(path, known)
        for plan in plans(api, question)
        if rows_looked_at(plan) > MOST
    }
    assert not costly, "\n".join(
        f"{question} {rows_looked_at(plan)} {_nodes(plan)}"
        for question, plan in costly.items()
    )


#: What a follower's page may look at in the test below: half of its project's events.
WINDOW = 1000


def test_who_follows_looks_at_so_many_events_and_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(following, "MOST_LOOKED_AT", WINDOW)
    settings.EVENT_STREAM_DAYS = 10_000  # the rows are of many years
    project, *_ = make_many()
    vm = VM.objects.filter(project=project)[0]
    known = values(vm, Operation.objects.filter(project=project)[0], [project] * 3)
    known["type"] = {"/events": (*known["type"]["/events"], "vm.*", "nothing.*")}
    del known["project"]
    Project.objects.filter(pk=project.pk).update(event_sequence=VMS)
    assert project.events.count() == 2 * WINDOW
    for after in (9, VMS // 2 - 1):  # every tenth number is one of its events
        page = f"/events?project={project.pk}&after={after}"
        asked = [page] + [
            f"{page}&{name}={quote(value)}"
            for name in EventViewSet.filterset_class.base_filters
            if name in known
            for given in [known[name]]
            for value in (given["/events"] if isinstance(given, dict) else given)
        ]
        for question in asked:
            (plan,) = plans(api, question)
            looked_at = rows_looked_at(plan)
            assert looked_at <= WINDOW, (question, looked_at, _nodes(plan))


def plans(api: Api, question: str) -> Iterator[Mapping[str, Any]]:
    """Yield how the rows of a page are read."""
    with CaptureQueriesContext(connection) as queries:
        response = api.get(question)
    assert response.status_code == 200, response.content
    for sql in [q["sql"] for q in queries if "LIMIT 21" in q["sql"]]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            (explained,) = _read(cursor.fetchone()[0])
        yield explained["Plan"]


def _nodes(plan: Mapping[str, Any]) -> list[str]:
    """Return what a plan is made of, for the message of a failure."""
    own = f"{plan['Node Type']} {plan.get('Index Name', '')}".strip()
    return [own, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]


def _read(found: Any) -> Any:
    return json.loads(found) if isinstance(found, str) else found
