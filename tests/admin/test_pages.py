"""Every page renders, costs the same at any length, and removes nothing."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import (
    VM,
    APIToken,
    Batch,
    BatchItem,
    Cloud,
    Delivery,
    Event,
    Flavor,
    FloatingIP,
    Image,
    Login,
    Network,
    Operation,
    Project,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    User,
    Webhook,
)
from tests.support.console import NOUNS, Operator
from tests.support.factories import (
    APITokenFactory,
    DeliveryFactory,
    FlavorFactory,
    FloatingIPFactory,
    ImageFactory,
    LoginFactory,
    NetworkFactory,
    PortFactory,
    ProjectFactory,
    RouterFactory,
    SecurityGroupFactory,
    SecurityGroupRuleFactory,
    SnapshotFactory,
    SubnetFactory,
    UserFactory,
    VMFactory,
)

MODELS = {
    "vm": VM,
    "snapshot": Snapshot,
    "operation": Operation,
    "event": Event,
    "flavor": Flavor,
    "image": Image,
    "project": Project,
    "cloud": Cloud,
    "user": User,
    "apitoken": APIToken,
    "login": Login,
    "network": Network,
    "subnet": Subnet,
    "router": Router,
    "floatingip": FloatingIP,
    "securitygroup": SecurityGroup,
    "securitygrouprule": SecurityGroupRule,
    "webhook": Webhook,
    "delivery": Delivery,
    "batch": Batch,
}


def fill(count: int) -> None:
    """Have ``count`` rows of every kind, each with relations of its own."""
    Cloud.objects.bulk_create(Cloud(alias=f"cloud-{n}") for n in range(count))
    UserFactory.create_batch(count - User.objects.count())
    projects = ProjectFactory.create_batch(count - Project.objects.count())
    projects.append(Project.objects.default())
    FlavorFactory.create_batch(count)
    for user, project in zip(User.objects.all(), projects, strict=True):
        APITokenFactory.create(user=user, project=project)
        LoginFactory.create(user=user)
    for project in projects:
        ImageFactory.create(project=project)
        vm = VMFactory.create(project=project)
        snapshot = SnapshotFactory.create(vm=vm)
        operation = Operation.objects.create(
            type="vm.stop",
            status="FAILED",
            error={"title": "No", "code": "openstack-error", "detail": "It says no."},
            project=project,
            target_kind="vm",
            target_id=vm.pk,
            related_kind="snapshot",
            related_id=snapshot.pk,
            deadline=vm.created_at,
            finished_at=timezone.now(),
        )
        Event.objects.create(
            project=project,
            sequence=1,
            type="vm.updated",
            subject_kind="vm",
            subject_id=vm.pk,
            operation=operation,
        )
        Project.objects.filter(pk=project.pk).update(event_sequence=1)
        VM.objects.filter(pk=vm.pk).update(operation=operation)
        batch = Batch.objects.create(action="stop", asked=1, requested_by="user:alice")
        BatchItem.objects.create(
            batch=batch,
            position=0,
            vm=vm,
            version=1,
            asked_at=vm.created_at,
            operation=operation,
        )
        fill_networks(vm)
        DeliveryFactory.create(webhook__project=project)


def fill_networks(vm: VM) -> None:
    """Have one row of each kind that Neutron has, as many networks among them."""
    outside = NetworkFactory.create(project=None, external=True)
    router = RouterFactory.create(project=vm.project, external_network=outside)
    network = NetworkFactory.create(project=vm.project)
    SubnetFactory.create(network=network, router=router)
    port = PortFactory.create(vm=vm, network=network)
    address = {"network": outside, "port": port, "vm": vm}
    FloatingIPFactory.create(project=vm.project, **address)
    group = SecurityGroupFactory.create(project=vm.project)
    port.security_groups.add(group)
    SecurityGroupRuleFactory.create(group=group, remote_group=group)


@pytest.mark.parametrize("rows", [1, 20, 50])
@pytest.mark.parametrize(
    ("noun", "queries"),
    [
        # Session, user, failing clouds, the count, the rows; and one for each filter with
        # choices.
        ("vm", 5 + 3),
        ("snapshot", 5 + 2),
        # And one for each kind of thing that they are about.
        ("operation", 5 + 2 + 2),
        ("event", 5 + 1 + 1),
        ("flavor", 5 + 1),
        ("image", 5 + 2),
        # The quotas of all of them, at once.
        ("project", 5 + 1),
        ("cloud", 5 + 1),  # their services
        ("user", 5 + 1),
        ("apitoken", 5 + 1),
        ("login", 5),
        ("network", 5 + 2),
        ("subnet", 5 + 2),
        ("router", 5 + 2),
        ("floatingip", 5 + 2),
        ("securitygroup", 5 + 2),
        ("securitygrouprule", 5 + 2),
        ("webhook", 5 + 1),
        ("delivery", 5),
        ("batch", 5 + 1),  # their numbers
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(
    operator: Operator,
    noun: str,
    queries: int,
    rows: int,
    django_assert_num_queries: Callable[..., CaptureQueriesContext],
) -> None:
    fill(rows)
    with django_assert_num_queries(queries):
        page = operator.get(f"compute/{noun}/")
    # A network of each, and one outside.
    count = min(50, 2 * rows) if noun == "network" else rows
    if noun == "batch":  # of each its VMs are counted
        count = min(20, rows)
    assert len(re.findall(r'<th class="field-', page)) == count


@pytest.mark.parametrize("noun", NOUNS)
def test_a_page_renders(operator: Operator, noun: str) -> None:
    fill(2)
    row = MODELS[noun]._default_manager.first()
    assert row is not None
    page = operator.get(f"compute/{noun}/{row.pk}/change/")
    assert str(row) in page


@pytest.mark.parametrize("noun", NOUNS)
def test_a_page_renders_for_who_may_only_look(onlooker: Operator, noun: str) -> None:
    fill(2)
    row = MODELS[noun]._default_manager.first()
    assert row is not None
    page = onlooker.get(f"compute/{noun}/{row.pk}/change/")
    assert 'value="Save"' not in page
    assert "danger" not in page


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_says_so(operator: Operator, noun: str) -> None:
    assert f"No {MODELS[noun]._meta.verbose_name_plural} match" in operator.get(
        f"compute/{noun}/?q=zzz"
    )


def test_a_list_without_rows_offers_to_add_one(operator: Operator) -> None:
    page = operator.get("compute/vm/")
    assert "There are no VMs yet" in page
    assert "Add the first one" in page


@pytest.mark.parametrize(
    "noun",
    [
        *("operation", "event", "cloud", "flavor", "image", "snapshot"),
        *("login", "subnet", "securitygrouprule", "batch"),
    ],
)
def test_what_the_service_writes_nobody_adds(operator: Operator, noun: str) -> None:
    operator.get(f"compute/{noun}/add/", status=403)


@pytest.mark.parametrize(
    "noun",
    ["operation", "event", "cloud", "flavor", "image", "apitoken", "login", "batch"],
)
def test_history_cannot_be_changed(operator: Operator, noun: str) -> None:
    fill(1)
    row = MODELS[noun]._default_manager.first()
    assert row is not None
    page = operator.get(f"compute/{noun}/{row.pk}/change/")
    assert 'name="_save"' not in page
    assert operator.status_of_post(f"compute/{noun}/{row.pk}/change/") == 403


@pytest.mark.parametrize(
    "noun",
    [
        *("operation", "event", "flavor", "image", "cloud", "user"),
        *("apitoken", "login", "batch"),
    ],
)
def test_no_row_is_removed(operator: Operator, noun: str) -> None:
    fill(1)
    row = MODELS[noun]._default_manager.first()
    assert row is not None
    path = f"compute/{noun}/{row.pk}/delete/"
    assert operator.status_of_post(path, post="yes") == 403
    operator.post(
        f"compute/{noun}/", action="delete_selected", _selected_action=row.pk, post="1"
    )
    assert MODELS[noun]._default_manager.filter(pk=row.pk).exists()


def test_every_page_names_the_product_and_leads_to_the_api(operator: Operator) -> None:
    page = operator.get("")
    assert "VM Manager" in page
    assert 'href="/api/v1/"' in page
    assert 'href="/api/v1/docs"' in page
    assert "<script>" not in page


def test_who_is_not_logged_in_is_asked_to(db: None) -> None:
    response = Client().get("/admin/compute/vm/")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("noun", NOUNS)
def test_a_page_of_nothing_leads_back(operator: Operator, noun: str) -> None:
    path = f"compute/{noun}/00000000-0000-4000-8000-000000000000/change/"
    operator.get(path, status=302)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "never observed"),
        ({"observed_at": timezone.now(), "pass_seconds": 0.25}, "answers"),
        ({"failures": 1, "last_error": "No route"}, "failed once"),
        ({"failures": 4}, "failed 4 times"),
    ],
)
def test_a_cloud_shows_its_health(
    operator: Operator, db: None, fields: dict[str, Any], words: str
) -> None:
    cloud = Cloud.objects.create(alias="default", calls=98765)
    cloud.services.create(service="network", **fields)
    for path in ("compute/cloud/", "compute/cloud/default/change/"):
        page = operator.get(path)
        assert "network" in page
        assert words in page
        assert fields.get("last_error", "") in page
        assert "98765" in page


def test_a_running_pass_of_a_real_cloud_is_shown(
    operator: Operator, make_vm: Callable[..., VM]
) -> None:
    make_vm()
    assert "answers" in operator.get("compute/cloud/")


def test_a_quiet_vm_is_as_fresh_as_the_last_pass_over_its_cloud(
    operator: Operator, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    VM.objects.update(observed_at=timezone.now() - timedelta(days=60))
    page = operator.get(f"compute/vm/{vm.pk}/change/")
    assert re.search(r"ACTIVE, <[^>]*>\d+ s ago", page)


def test_an_event_and_its_operation_tell_all(operator: Operator) -> None:
    vm = VMFactory.create()
    operation = Operation.objects.create(
        type="vm.resize",
        project=vm.project,
        target_kind="vm",
        target_id=vm.pk,
        params={"flavor": "m1.large"},
        cancel_requested=True,
        deadline=vm.created_at,
    )
    data = {
        "labels": [{}, {"env": "prod"}],
        "description": ["", "x" * 500],
        "error": {"detail": "No valid host."},
        "progress": 7,
        "nothing": None,
    }
    event = Event.objects.create(
        project=vm.project,
        sequence=1,
        type="vm.updated",
        subject_kind="vm",
        subject_id=vm.pk,
        data=data,
    )
    line = operator.get("compute/event/")
    assert 'labels: {} → {"env": "prod"}' in line
    assert "description: \N{EN DASH} → xxx" in line
    assert "x…" in line
    assert "error: No valid host." in line
    assert "progress: 7" in line
    assert "nothing" not in line
    assert '"env": "prod"' in operator.get(f"compute/event/{event.pk}/change/")
    page = operator.get(f"compute/operation/{operation.pk}/change/")
    assert '"flavor": "m1.large"' in page
    assert "(cancel requested)" in page


@pytest.mark.parametrize(("type", "count"), [("vm.stop", 2), ("vm.start", 0)])
def test_operations_are_filtered_by_type(
    operator: Operator, type: str, count: int
) -> None:
    fill(2)
    page = operator.get(f"compute/operation/?type={type}")
    assert page.count('<th class="field-kind"') == count
