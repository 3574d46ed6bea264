"""The page of a VM in tabs: each shows its own, and to who may see it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.events import Actor
from compute.models import (
    VM,
    FloatingIP,
    Network,
    Operation,
    Project,
    Quota,
    Router,
    Snapshot,
    Subnet,
)
from compute.services import floating_ips, networks, snapshots
from compute.services.actions import ACTIONS
from providers.mock import MockCloud
from tests.support.console import (
    Operator,
    ask,
    page,
    path,
    permission,
    press,
    staff,
)
from tests.support.factories import ImageFactory, SnapshotFactory, VMFactory

MakeVM = Callable[..., VM]
Drain = Callable[[], None]


def tab(operator: Operator, vm: VM, name: str, status: int = 200) -> str:
    return operator.get(f"{path(vm)}?tab={name}", status)


def test_each_tab_shows_its_own(operator: Operator, make_vm: MakeVM) -> None:
    vm = make_vm()
    SnapshotFactory.create(vm=vm, name="before-upgrade")
    marks = {
        "overview": "Server ID",
        "operations": "All its operations",
        "events": "All its events",
        "console": f"{vm.name} login: ",
        "snapshots": "before-upgrade",
        "networks": "Security groups",
        "edit": 'name="description"',
    }
    for name, mark in marks.items():
        text = tab(operator, vm, name)
        assert mark in text
        assert f'href="?tab={name}" aria-current="page"' in text
    assert 'name="description"' not in page(operator, vm)
    # What lives is fetched again, without asking the cloud for its log each time.
    assert f'data-refresh="/admin/{path(vm)}"' in tab(operator, vm, "console")
    tab(operator, vm, "nonesuch", 400)
    assert 'href="?tab=edit&_changelist_filters=q%3Dweb"' in operator.get(
        f"{path(vm)}?_changelist_filters=q%3Dweb"
    )


def test_a_button_keeps_the_filter_of_the_list(
    operator: Operator, make_vm: MakeVM
) -> None:
    vm = make_vm()
    kept = "?_changelist_filters=q%3Dweb"
    action = f"/admin/{path(vm, 'actions/stop')}{kept}"
    assert f'action="{action}"' in operator.get(path(vm) + kept)
    answer = operator.client.post(action)
    assert answer["Location"] == f"/admin/{path(vm)}{kept}"


def test_what_one_may_not_see_has_no_tab(onlooker: Operator, make_vm: MakeVM) -> None:
    vm = make_vm()
    for name in ("console", "edit"):
        text = tab(onlooker, vm, name)
        assert f'href="?tab={name}"' not in text
        assert "login: " not in text
    blind = staff("bea", permission("view_vm"))
    for name in ("operations", "events", "snapshots"):
        assert f'href="?tab={name}"' not in page(blind, vm)
    assert "data-stream" not in page(blind, vm)


def test_a_tab_costs_the_same_at_any_length(
    operator: Operator, make_vm: MakeVM, actor: Actor, drain: Drain
) -> None:
    def cost() -> list[int]:
        counts = []
        for name in ("overview", "operations", "events", "snapshots"):
            with CaptureQueriesContext(connection) as queries:
                tab(operator, vm, name)
            counts.append(len(queries))
        return counts

    vm = make_vm()
    snapshots.create(vm, name="first", actor=actor)
    drain()
    before = cost()
    for number in range(3):
        snapshots.create(vm, name=f"next-{number}", actor=actor)
        drain()
    assert cost() == before


# Consoles


def test_a_console_log_that_cannot_be_read_says_why(
    operator: Operator, make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.get_console_log", kind="fail", status=503)
    assert "The cloud is unavailable" in tab(operator, vm, "console")
    stored = VMFactory.create(status="ERROR")
    assert "Action not allowed in this state" in tab(operator, stored, "console")


def test_a_remote_console_is_shown_once(
    operator: Operator,
    make_vm: MakeVM,
    cloud: MockCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vm = make_vm()
    address = f"/admin/{path(vm, 'actions/console')}"
    answer = operator.client.post(address)
    assert "https://console.mock.invalid/vnc_auto.html" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    monkeypatch.setattr(cloud.world, "remote_consoles", False)
    told = press(operator, vm, "console")
    assert "The cloud default offers no remote console." in told
    reader = staff("rita", permission("view_vm"))
    assert reader.status_of_post(path(vm, "actions/console")) == 403


# Once more


def hidden(page: str) -> dict[str, str]:
    """Return what the forms of a page send that nobody types."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page)
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def test_a_failed_operation_can_be_tried_again(
    operator: Operator, make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.stop", kind="fail", status=400)
    press(operator, vm, "stop")
    drain()
    failed = Operation.objects.get(type="vm.stop")
    assert failed.status == "FAILED"
    for text in (page(operator, vm), operator.get(path(failed))):
        assert "Try stop again" in text
        assert path(vm, "actions/stop") in text
    assert "Try stop again" not in staff(
        "ivo", permission("view_vm"), permission("view_operation")
    ).get(path(failed))
    assert "under way" in press(operator, vm, "stop")
    # It is no longer the last one.
    assert "Try stop again" not in operator.get(path(failed))


def test_a_resize_is_tried_again_with_its_flavor(
    operator: Operator, make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.resize", kind="fail", status=400)
    press(operator, vm, "resize", flavor="m1.large")
    drain()
    text = page(operator, vm)
    assert "Try resize again" in text
    asked = "<p>Flavor: <strong>m1.large</strong>"
    assert f'{asked}<input type="hidden" name="flavor" value="m1.large">' in text


@pytest.mark.usefixtures("vm")
@pytest.mark.parametrize(
    ("model", "verb", "arguments", "call"),
    [
        (VM, "snapshot", {"name": "again"}, "servers.snapshot"),
        (VM, "restore", {"snapshot": "golden"}, "servers.rebuild"),
        (VM, "attach-network", {"network": "lone"}, "servers.attach_port"),
        (VM, "detach-network", {"network": "web"}, "servers.detach_port"),
        (FloatingIP, "attach", {"vm": "{vm}"}, "floating_ips.attach"),
        (Router, "attach-subnet", {"subnet": "lone"}, "routers.attach_subnet"),
        (Router, "detach-subnet", {"subnet": "web"}, "routers.detach_subnet"),
        (Router, "set-gateway", {"network": "public"}, "routers.set_gateway"),
        (Subnet, "configure", {"dns_nameservers": "192.0.2.53"}, "subnets.update"),
    ],
)
def test_it_is_asked_again_for_the_same(
    operator: Operator,
    vm: VM,
    project: Project,
    actor: Actor,
    cloud: MockCloud,
    drain: Drain,
    model: type[Any],
    verb: str,
    arguments: dict[str, str],
    call: str,
) -> None:
    networks.create(project=project, actor=actor, name="lone", cidr="10.8.0.0/24")
    snapshots.create(vm, name="golden", actor=actor)
    floating_ips.create(project=project, actor=actor)
    drain()
    row = model.objects.filter(project=project).earliest("created_at")
    arguments = {name: text.format(vm=vm) for name, text in arguments.items()}
    cloud.controls.inject(call, kind="fail", status=400)
    assert "under way" in ask(operator, row, verb, **arguments)
    drain()
    failed = Operation.objects.latest("created_at")
    assert failed.status == "FAILED"
    button = f"Try {ACTIONS[failed.type].label.lower()} again"
    assert button in operator.get(path(row))
    # Whatever has those names now.
    Snapshot.objects.update(name="old")
    Network.objects.update(name="old")
    Subnet.objects.update(name="old")
    VM.objects.update(name="old")
    sent = hidden(operator.get(path(failed)))
    assert arguments.keys() <= sent.keys()
    assert "under way" in ask(operator, row, verb, **sent)
    again = Operation.objects.latest("created_at")
    assert again.related_id == failed.related_id
    assert all(again.params[name] == failed.params[name] for name in arguments)


def test_a_snapshot_that_was_not_deleted_is_deleted_again(
    operator: Operator, make_vm: MakeVM, actor: Actor, cloud: MockCloud, drain: Drain
) -> None:
    snapshot = snapshots.create(make_vm(), name="golden", actor=actor)
    drain()
    cloud.controls.inject("images.delete", kind="fail", status=400)
    operator.client.post(f"/admin/{path(snapshot, 'delete')}")
    drain()
    failed = Operation.objects.get(type="snapshot.delete")
    for row in (failed, snapshot):
        text = operator.get(path(row))
        assert "Try delete again" in text
        assert path(snapshot, "delete") in text


# One more


def test_a_vm_is_a_pattern_for_another(operator: Operator, make_vm: MakeVM) -> None:
    vm = make_vm()
    assert f"/admin/compute/vm/add/?like={vm.pk}" in page(operator, vm)
    text = operator.get(f"compute/vm/add/?like={vm.pk}")
    assert f'value="{vm.name}"' in text
    assert f'<option value="{vm.flavor_name}" selected>' in text
    assert f'<option value="{vm.pk}"' not in text
    operator.get("compute/vm/add/?like=00000000-0000-4000-8000-000000000000", 404)
    operator.get("compute/vm/add/?like=x", 400)
    creator = staff("carl", permission("add_vm"))
    creator.get(f"compute/vm/add/?like={vm.pk}", 404)


def test_a_pattern_brings_an_image_of_its_own_project(
    operator: Operator, make_vm: MakeVM, lab: Project
) -> None:
    image = ImageFactory.create(name="golden", project=lab)
    vm = VMFactory.create(project=lab, image=image, image_name="golden")
    text = operator.get(f"compute/vm/add/?like={vm.pk}")
    assert '<option value="golden" selected>' in text
    assert '<option value="golden"' not in operator.get("compute/vm/add/")


def test_what_was_unticked_stays_so(operator: Operator, make_vm: MakeVM) -> None:
    vm = make_vm()
    VM.objects.filter(pk=vm.pk).update(delete_protection=True)
    ticked = 'id="id_delete_protection" checked>'
    address = f"/admin/compute/vm/add/?like={vm.pk}"
    assert ticked in operator.client.get(address).content.decode()
    answer = operator.client.post(address, {"_preview": "1", "name": "web"})
    assert ticked not in answer.content.decode()


def preview(operator: Operator, project: Project, flavor: str) -> str:
    data = {"_preview": "1", "name": "web", "project": project.pk, "flavor": flavor}
    answer = operator.client.post("/admin/compute/vm/add/", data)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'value="web"' in text
    assert "This field is required" not in text
    return text.partition('id="preview"')[2].partition("submit-row")[0]


def test_a_preview_tells_what_a_vm_takes(
    operator: Operator, project: Project, catalogue: None
) -> None:
    Quota.objects.filter(project=project, resource="vcpus").update(limit=3)
    assert "no room" not in preview(operator, project, "m1.small")
    assert "no room" in preview(operator, project, "m1.large")
    assert "No flavor m9.huge." in preview(operator, project, "m9.huge")
    assert not VM.objects.exists()
    creator = staff("carl", permission("add_vm"))
    assert "<table" not in preview(creator, project, "m1.small")


def test_flavors_beyond_the_quota_cannot_be_chosen(
    operator: Operator, make_vm: MakeVM, project: Project
) -> None:
    vm = make_vm()
    Quota.objects.filter(project=project, resource="vcpus").update(limit=vm.vcpus)
    text = page(operator, vm)
    assert "m1.large: 4 vCPU, 8 GB RAM, 80 GB disk, beyond the quota of vCPUs" in text
    assert '<option value="m1.large" disabled>' in text


def test_an_id_and_an_address_can_be_copied(
    operator: Operator, make_vm: MakeVM
) -> None:
    vm = make_vm()
    text = page(operator, vm)
    for copied in (str(vm.pk), vm.addresses[0]["ip"]):
        assert f'Copy<span class="visually-hidden"> {copied}</span>' in text
