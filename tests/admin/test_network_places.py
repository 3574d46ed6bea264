"""The pages of floating IPs, a VM's networks, and who sees what of all of them."""

from collections.abc import Callable

import pytest
from django.test.utils import CaptureQueriesContext

from compute.events import Actor
from compute.models import (
    VM,
    FloatingIP,
    Network,
    Operation,
    Project,
    Router,
    SecurityGroup,
    Subnet,
)
from compute.services import floating_ips, networks, routers, security_groups
from compute.services.ports import Wish
from tests.admin.conftest import Drain, MakeVM
from tests.support.console import (
    Operator,
    ask,
    href,
    page,
    path,
    permission,
    press,
    staff,
    succeed,
)

pytestmark = pytest.mark.usefixtures("catalogue")

Queries = Callable[..., CaptureQueriesContext]


# Floating IPs


def test_a_floating_ip_says_where_it_leads(
    operator: Operator, vm: VM, address: FloatingIP
) -> None:
    for text in (operator.get("compute/floatingip/"), operator.get(path(address))):
        for part in (href(vm), address.address, "10.7.0.12"):
            assert part in text
    assert address.address in operator.get(f"compute/floatingip/?q={address.address}")
    outside = Network.objects.get(external=True)
    query = f"compute/floatingip/?network__id__exact={outside.pk}"
    assert query in operator.get(path(outside))
    assert address.address in operator.get(query)


def test_a_floating_ip_is_made_moved_and_given_back(
    operator: Operator, project: Project, vm: VM, make_vm: MakeVM, drain: Drain
) -> None:
    other = make_vm(name="other", networks=[Wish("web")])
    told = operator.post(
        "compute/floatingip/add/", project=project.name, vm=vm.name, labels="a=b"
    )
    assert "is under way" in told
    succeed(drain, "floating-ip.create")
    floating_ip = FloatingIP.objects.get()
    assert (floating_ip.vm, floating_ip.labels) == (vm, {"a": "b"})
    assert '<option value="other">' in operator.get(path(floating_ip))
    assert f"in use by vm {vm.name}" in ask(operator, floating_ip, "attach", vm="other")
    ask(operator, floating_ip, "attach", vm="other", fixed_ip="", force="on")
    succeed(drain, "floating-ip.attach")
    floating_ip.refresh_from_db()
    assert floating_ip.vm == other
    ask(operator, floating_ip, "detach")
    succeed(drain, "floating-ip.detach")
    assert "leads nowhere" in operator.get(path(floating_ip))
    wrong = ask(operator, floating_ip, "attach", vm="other", fixed_ip="10.7.0.99")
    assert "has no address 10.7.0.99" in wrong
    assert "VM: This field is required." in ask(operator, floating_ip, "attach")
    operator.post(path(floating_ip, "delete"))
    succeed(drain, "floating-ip.delete")


# A VM's networks


def test_a_vm_shows_its_networks(
    operator: Operator, web: Network, vm: VM, address: FloatingIP
) -> None:
    vm.refresh_from_db()
    text = operator.get(f"{path(vm)}?tab=networks")
    (place,) = vm.networks
    for part in (href(web), href(address), "10.7.0.12", place["mac"], place["port"]):
        assert part in text


def test_a_vm_joins_a_network_and_leaves_it(
    operator: Operator, project: Project, vm: VM, actor: Actor, drain: Drain
) -> None:
    networks.create(project=project, actor=actor, name="back", cidr="10.8.0.0/24")
    drain()
    text = page(operator, vm)
    assert '<option value="back">' in text
    assert '<option value="web">' not in text
    told = press(operator, vm, "attach-network", network="back", ip="10.9.0.1")
    assert "10.9.0.1 is not in 10.8.0.0/24" in told
    told = press(operator, vm, "attach-network", network="back", ip="10.8.0.7")
    assert f"Attach network of {vm} is under way" in told
    succeed(drain, "vm.attach-network")
    vm.refresh_from_db()
    assert [place["addresses"][0]["ip"] for place in vm.networks] == [
        "10.7.0.12",
        "10.8.0.7",
    ]
    port = vm.networks[1]["port"]
    assert f'<option value="{port}">back, 10.8.0.7' in page(operator, vm)
    press(operator, vm, "detach-network", network=port)
    succeed(drain, "vm.detach-network")
    vm.refresh_from_db()
    assert len(vm.networks) == 1
    # Without an address it gets any.
    press(operator, vm, "attach-network", network="back", ip="")
    succeed(drain, "vm.attach-network")


def test_a_vm_is_made_on_the_networks_that_are_typed(
    operator: Operator, project: Project, web: Network, drain: Drain
) -> None:
    values = {
        "name": "box",
        "flavor": "m1.small",
        "image": "debian-12",
        "project": project.name,
    }
    wrong = {**values, "networks": "web, nonesuch"}
    answer = operator.client.post("/admin/compute/vm/add/", wrong)
    assert "No network nonesuch." in answer.content.decode()
    assert "web, nonesuch" in answer.content.decode()
    operator.post("compute/vm/add/", **values, networks="web", security_groups="")
    drain()
    vm = VM.objects.get(name="box")
    assert [place["network"] for place in vm.networks] == [str(web.pk)]


# Rights


def test_each_permission_brings_its_own_buttons(
    web: Network, vm: VM, address: FloatingIP
) -> None:
    router, subnet = Router.objects.get(name="web"), Subnet.objects.get(network=web)
    for row, verb in (
        (web, "add-subnet"),
        (subnet, "configure"),
        (router, "detach-subnet"),
        (address, "detach"),
    ):
        name = row._meta.model_name
        see = permission(f"view_{name}")
        looker = staff(f"looker-{name}", see)
        text = looker.get(path(row))
        assert "/actions/" not in text
        assert "Delete…" not in text
        assert looker.status_of_post(path(row, f"actions/{verb}")) == 403
        assert looker.status_of_post(path(row, "delete")) == 403
        change = "add_subnet" if row == web else f"change_{name}"
        changer = staff(f"changer-{name}", see, permission(change))
        text = changer.get(path(row))
        assert f"/actions/{verb}/" in text
        assert "Delete…" not in text
        remover = staff(f"remover-{name}", see, permission(f"delete_{name}"))
        text = remover.get(path(row))
        assert "/actions/" not in text
        assert "Delete…" in text
    assert Operation.objects.live().count() == 0


def test_a_page_keeps_what_belongs_to_other_pages(
    web: Network, vm: VM, address: FloatingIP
) -> None:
    blind = staff("bea", permission("view_network"))
    text = blind.get(path(web))
    for row in (vm, address, Subnet.objects.get(network=web)):
        assert href(row) not in text
    assert vm.name not in text
    changer = staff("wim", permission("view_vm"), permission("change_vm"))
    text = changer.get(f"{path(vm)}?tab=networks")
    assert href(web) not in text
    assert str(web.pk) in text
    outside = Network.objects.get(default=True)
    assert f'<option value="{outside.name}">' not in text


# Costs


@pytest.mark.parametrize("count", [1, 5])
def test_a_page_costs_the_same_for_any_number_of_rows(
    operator: Operator,
    project: Project,
    web: Network,
    make_vm: MakeVM,
    actor: Actor,
    drain: Drain,
    django_assert_max_num_queries: Queries,
    count: int,
) -> None:
    for number in range(count):
        vm = make_vm(name=f"vm-{number}", networks=[Wish("web")])
        floating_ips.create(project=project, actor=actor, vm=vm.name)
        routers.create(project=project, actor=actor, name=f"edge-{number}")
        security_groups.create(project=project, actor=actor, name=f"group-{number}")
        networks.create(
            project=project, actor=actor, name="n", cidr=f"10.{number}.0.0/24"
        )
        drain()
    for noun in ("network", "subnet", "router", "floatingip", "securitygroup"):
        with django_assert_max_num_queries(5 + 2):
            assert operator.get(f"compute/{noun}/").count('<th class="field-') >= count
    group = SecurityGroup.objects.get(name="group-0")
    address = FloatingIP.objects.earliest("created_at")
    for row, queries in ((web, 13), (group, 10), (address, 9), (vm, 18)):
        with django_assert_max_num_queries(queries):
            operator.get(path(row))
