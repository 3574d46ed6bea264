"""The pages of networks, subnets and routers."""

import pytest

from compute.events import Actor
from compute.models import (
    VM,
    Event,
    FloatingIP,
    Network,
    Operation,
    Port,
    Project,
    Router,
    Subnet,
)
from compute.services import networks
from providers.mock import MockCloud
from tests.admin.conftest import CIDR, Drain
from tests.support.console import (
    OPERATOR,
    Operator,
    ask,
    href,
    path,
    succeed,
)

pytestmark = pytest.mark.usefixtures("catalogue")


# Networks


def test_an_operator_makes_a_network_with_all_it_needs(
    operator: Operator, project: Project, drain: Drain
) -> None:
    values = {"name": "web", "project": project.name, "labels": "team=core"}
    told = operator.post(
        "compute/network/add/", **values, cidr=CIDR, internet="on", cloud="default"
    )
    assert "Creation of web is under way" in told
    network = Network.objects.get(name="web")
    text = operator.get(path(network))
    assert "Under way:" in text
    assert "/actions/" not in text.partition("Under way:")[2].partition("Cancel it")[2]
    succeed(drain, "network.create")
    network.refresh_from_db()
    assert network.labels == {"team": "core"}
    text = operator.get(path(network))
    assert "ACTIVE" in text
    assert href(Subnet.objects.get(network=network)) in text
    router = Router.objects.get(name="web")
    assert href(router) in text
    assert router.subnets == network.subnets != []
    assert "network.create" in text
    assert "network.created" in text
    assert CIDR in operator.get("compute/network/?q=10.7.")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"cidr": "10.7.0.1/24"}, "10.7.0.0/24 is the range."),
        ({"internet": "on"}, "A way to the internet needs a subnet."),
        ({"project": "nonesuch"}, "No project nonesuch."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_refused_form_keeps_what_was_typed(
    operator: Operator, project: Project, values: dict[str, str], reason: str
) -> None:
    before = Network.objects.count()
    typed = {"name": "web", "project": project.name, "description": "Mine.", **values}
    answer = operator.client.post("/admin/compute/network/add/", typed)
    text = answer.content.decode()
    assert reason in text
    assert "Mine." in text
    assert Network.objects.count() == before


def test_what_could_not_be_made_says_why_and_can_only_be_deleted(
    operator: Operator, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("routers.create", kind="quota")
    operator.post(
        "compute/network/add/",
        name="web",
        project=project.name,
        cidr=CIDR,
        internet="on",
    )
    network = Network.objects.get(name="web")
    drain()
    text = operator.get(path(network))
    assert "resource-limit-exceeded" in text
    assert "/actions/" not in text
    assert "Delete…" in text
    for row in (Subnet.objects.get(name="web"), Router.objects.get()):
        assert "It is kept for its history" in operator.get(path(row))
    operator.post(path(network, "delete"))
    succeed(drain, "network.delete")
    assert "It is kept for its history" in operator.get(path(network))


def test_a_page_tells_who_is_on_the_network(
    operator: Operator, web: Network, vm: VM, address: FloatingIP
) -> None:
    text = operator.get(path(web))
    port = Port.objects.get(vm=vm)
    for part in (href(vm), "10.7.0.12", port.mac, href(address)):
        assert part in text
    told = operator.post(path(web, "delete"))
    assert f"is in use by vm {vm.name}" in told
    web.refresh_from_db()
    assert web.status == "ACTIVE"
    refusal = Event.objects.get(type="request.refused")
    assert (refusal.actor, refusal.subject_id) == (OPERATOR, web.pk)


def test_a_network_is_deleted_by_the_service(
    operator: Operator, project: Project, actor: Actor, drain: Drain
) -> None:
    networks.create(project=project, actor=actor, name="lone", cidr=CIDR)
    drain()
    lone = Network.objects.get(name="lone")
    assert "subnets are deleted with it" in operator.get(path(lone, "delete"))
    assert "Delete of lone is under way" in operator.post(path(lone, "delete"))
    succeed(drain, "network.delete")
    text = operator.get(path(lone))
    assert "It is kept for its history" in text
    assert "/actions/" not in text
    assert "lone" not in operator.get("compute/network/")
    assert "lone" in operator.get("compute/network/?deleted=yes")
    told = operator.post(path(lone, "actions/add-subnet"), name="x", cidr="10.8.0.0/24")
    assert "gone" in told


def test_a_description_is_changed_at_once(operator: Operator, web: Network) -> None:
    operator.post(path(web), name="web", description="Of the shop.", labels="a=b")
    web.refresh_from_db()
    assert (web.description, web.labels) == ("Of the shop.", {"a": "b"})
    assert not Operation.objects.live().exists()


def test_what_a_cloud_offers_to_all_is_listed_and_has_no_buttons(
    operator: Operator,
) -> None:
    outside = Network.objects.get(external=True)
    text = operator.get("compute/network/?external__exact=1&project=none")
    assert "all projects" in text
    assert outside.name in text
    subnet = Subnet.objects.filter(project=None).first()
    assert subnet is not None
    for row in (outside, subnet):
        text = operator.get(path(row))
        assert "offers this" in text
        for button in ("/actions/", "Delete…", 'name="_save"'):
            assert button not in text, row
        assert operator.status_of_post(path(row), name="mine") == 403
        assert operator.post(path(row, "delete")) != ""
    add = {"name": "mine", "cidr": "10.9.0.0/24"}
    answer = operator.client.post(f"/admin/{path(outside, 'actions/add-subnet')}", add)
    assert "is the cloud&#x27;s own" in answer.content.decode()
    assert not Operation.objects.exists()


# Subnets


def test_a_subnet_is_added_on_the_page_of_its_network(
    operator: Operator, web: Network, drain: Drain
) -> None:
    operator.get("compute/subnet/add/", status=403)
    wrong = {"name": "web-2", "cidr": "10.7.0.128/25"}
    answer = operator.client.post(f"/admin/{path(web, 'actions/add-subnet')}", wrong)
    text = answer.content.decode()
    assert f"overlaps with the subnet {CIDR}" in text
    assert 'value="web-2"' in text
    values = {
        "name": "web-2",
        "cidr": "10.8.0.0/24",
        "gateway_ip": "10.8.0.254",
        "dns_nameservers": "192.0.2.53, 192.0.2.54",
    }
    assert "Creation of web-2 is under way" in ask(
        operator, web, "add-subnet", **values
    )
    succeed(drain, "subnet.create")
    subnet = Subnet.objects.get(name="web-2")
    assert (subnet.gateway_ip, subnet.dhcp) == ("10.8.0.254", False)
    assert subnet.dns_nameservers == ["192.0.2.53", "192.0.2.54"]
    assert href(subnet) in operator.get(path(web))


def test_a_subnet_is_configured_from_what_it_has(
    operator: Operator, project: Project, actor: Actor, drain: Drain
) -> None:
    networks.create(project=project, actor=actor, name="lone", cidr=CIDR)
    drain()
    subnet = Subnet.objects.get(name="lone")
    assert 'name="gateway_ip" value="10.7.0.1"' in operator.get(path(subnet))
    told = ask(
        operator,
        subnet,
        "configure",
        gateway_ip="10.7.0.1",
        dns_nameservers="192.0.2.53\r\n192.0.2.54",
    )
    assert "Configure of lone is under way" in told
    succeed(drain, "subnet.configure")
    subnet.refresh_from_db()
    assert subnet.gateway_ip == "10.7.0.1"
    assert subnet.dns_nameservers == ["192.0.2.53", "192.0.2.54"]
    assert ">\n192.0.2.53\n192.0.2.54</textarea>" in operator.get(path(subnet))
    # What is not sent stays, what is empty goes.
    ask(operator, subnet, "configure", gateway_ip="")
    succeed(drain, "subnet.configure")
    subnet = Subnet.objects.get(name="lone")
    assert subnet.gateway_ip is None
    assert subnet.dns_nameservers == ["192.0.2.53", "192.0.2.54"]
    ask(operator, subnet, "configure", dns_nameservers="")
    succeed(drain, "subnet.configure")
    subnet.refresh_from_db()
    assert subnet.dns_nameservers == []


def test_a_subnet_is_deleted_once_it_is_free(
    operator: Operator, web: Network, drain: Drain
) -> None:
    subnet, router = Subnet.objects.get(network=web), Router.objects.get(name="web")
    assert "in use by router web" in operator.post(path(subnet, "delete"))
    ask(operator, router, "detach-subnet", subnet=str(subnet.pk))
    succeed(drain, "router.detach-subnet")
    assert "Delete of web is under way" in operator.post(path(subnet, "delete"))
    succeed(drain, "subnet.delete")


# Routers


def test_a_router_gets_subnets_and_a_gateway_and_loses_them(
    operator: Operator, project: Project, actor: Actor, drain: Drain
) -> None:
    networks.create(project=project, actor=actor, name="lone", cidr=CIDR)
    drain()
    outside = Network.objects.get(external=True)
    operator.post("compute/router/add/", name="edge", project=project.name)
    succeed(drain, "router.create")
    router = Router.objects.get(name="edge")
    text = operator.get(path(router))
    assert "without a gateway" in text
    assert "It has no subnet to detach" in text
    assert '<option value="lone">' in text
    ask(operator, router, "attach-subnet", subnet="lone")
    succeed(drain, "router.attach-subnet")
    subnet = Subnet.objects.get(name="lone")
    text = operator.get(path(router))
    assert href(subnet) in text
    assert f'<option value="{subnet.pk}">lone, {CIDR}' in text
    ask(operator, router, "set-gateway", network=outside.name)
    succeed(drain, "router.set-gateway")
    text = operator.get(path(router))
    assert href(outside) in text
    assert f'name="network" value="{outside.name}"' in text
    ask(operator, router, "set-gateway", network="")
    succeed(drain, "router.set-gateway")
    router.refresh_from_db()
    assert router.external_network is None
    assert "in use by subnet lone" in operator.post(path(router, "delete"))
    ask(operator, router, "detach-subnet", subnet=str(subnet.pk))
    succeed(drain, "router.detach-subnet")
    assert "Delete of edge is under way" in operator.post(path(router, "delete"))
    succeed(drain, "router.delete")


def test_a_router_is_made_with_a_gateway(
    operator: Operator, project: Project, drain: Drain
) -> None:
    outside = Network.objects.get(external=True)
    values = {"name": "edge", "project": project.name}
    page = operator.client.post(
        "/admin/compute/router/add/", {**values, "external_network": "nonesuch"}
    )
    assert "No network nonesuch." in page.content.decode()
    operator.post("compute/router/add/", **values, external_network=outside.name)
    succeed(drain, "router.create")
    router = Router.objects.get()
    assert router.external_ip
    assert router.external_ip in operator.get("compute/router/?q=edge")
