"""The mock's Neutron misbehaves when told to, as its Nova does."""

from collections.abc import Callable

import pytest

from providers.contract.cloud import call_names
from providers.contract.ports import PortSpec
from providers.contract.security_groups import RuleSpec
from providers.contract.subnets import SubnetSpec
from providers.errors import (
    Conflict,
    NotFound,
    QuotaExceeded,
    Timeout,
    Unavailable,
    Unreachable,
)
from providers.mock import MockCloud
from providers.mock.world.faults import Kind
from tests.support.clock import Clock
from tests.support.contract_networks import Networking
from tests.support.mock_servers import REQUEST_ID, boot

NOUNS = (
    *("networks", "subnets", "routers", "ports"),
    *("floating_ips", "security_groups"),
)
CALLS = sorted(name for name in call_names() if name.partition(".")[0] in NOUNS)
#: Arguments that are good enough to be refused before anybody looks at them.
SPECS = {
    "subnets.create": SubnetSpec(
        network_id="n", name="s", marker="m", cidr="10.1.0.0/24", gateway_ip=None
    ),
    "ports.create": PortSpec(network_id="n", name="p", marker="m"),
    "security_groups.create_rule": RuleSpec(
        group_id="g", marker="m", direction="ingress", ip_version=4
    ),
}
ARGUMENTS: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
    "networks.create": (("n",), {"marker": "m"}),
    "routers.create": (("r",), {"marker": "m", "external_network_id": None}),
    "routers.set_gateway": (("r", None), {}),
    "routers.attach_subnet": (("r", "s"), {}),
    "routers.detach_subnet": (("r", "s"), {}),
    "subnets.update": (("s",), {"gateway_ip": None, "dns_nameservers": ()}),
    "ports.set_security_groups": (("p", ()), {}),
    "floating_ips.create": (("n",), {"marker": "m"}),
    "floating_ips.attach": (("f",), {"port_id": "p", "fixed_ip": "10.1.0.2"}),
    "security_groups.create": (("g",), {"marker": "m"}),
}


def call(mock: MockCloud, name: str) -> object:
    """Make any of `CALLS`."""
    noun, _, verb = name.partition(".")
    method: Callable[..., object] = getattr(getattr(mock, noun), verb)
    if verb == "list_all":
        return method()
    if verb == "find":
        return method(marker="m")
    if verb == "get":
        return method("x")
    args, kwargs = ARGUMENTS.get(name, ((SPECS.get(name, "x"),), {}))
    return method(*args, **kwargs, request_id=REQUEST_ID)


@pytest.mark.parametrize("name", CALLS)
def test_every_call_can_fail(mock: MockCloud, name: str) -> None:
    mock.controls.inject(name, kind="fail", status=503)
    with pytest.raises(Unreachable) as caught:
        call(mock, name)
    assert (caught.value.service, caught.value.status) == ("neutron", 503)
    assert mock.controls.pending_faults() == 0
    assert mock.controls.call_counts() == {name: 1}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_can_be_refused(mock: MockCloud, name: str) -> None:
    mock.controls.inject(name, kind="refuse")
    with pytest.raises(Unreachable) as caught:
        call(mock, name)
    assert (caught.value.service, caught.value.status) == ("neutron", None)


@pytest.mark.parametrize("kind", ["hang", "lose_response"])
def test_an_answer_that_never_comes_is_missed_of_neutron(
    mock: MockCloud, kind: Kind
) -> None:
    mock.controls.inject("networks.create", kind=kind)
    with pytest.raises(Timeout) as caught:
        call(mock, "networks.create")
    assert caught.value.service == "neutron"


def test_a_refusal_has_the_code_it_is_given(mock: MockCloud) -> None:
    mock.controls.inject(
        "networks.delete",
        kind="fail",
        status=412,
        code="RevisionNumberConstraintFailed",
    )
    with pytest.raises(Conflict, match="current revision is 3") as caught:
        call(mock, "networks.delete")
    assert caught.value.code == "RevisionNumberConstraintFailed"


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("networks.create", "network"),
        ("floating_ips.create", "floatingip"),
        ("security_groups.create", "security_group"),
        ("security_groups.create_rule", "security_group_rule"),
    ],
)
def test_a_full_quota_has_the_words_of_neutron(
    mock: MockCloud, name: str, resource: str
) -> None:
    mock.controls.inject(name, kind="quota")
    with pytest.raises(QuotaExceeded, match=rf"resources: \['{resource}'\]") as caught:
        call(mock, name)
    assert (caught.value.status, caught.value.code) == (409, "OverQuota")


def test_a_lost_answer_leaves_what_was_made_to_be_found(
    mock: MockCloud, mine: Networking
) -> None:
    outlet = mine.outlet()
    calls: dict[str, Callable[[str], object]] = {
        "networks": lambda marker: mine.network(marker=marker),
        "subnets": lambda marker: mine.subnet(
            outlet.network_id, "10.1.0.0/24", marker=marker
        ),
        "routers": lambda marker: mine.router(outlet.external_id, marker=marker),
        "ports": lambda marker: mine.port(outlet.network_id, marker=marker),
        "floating_ips": lambda marker: mine.floating_ip(marker=marker),
        "security_groups": lambda marker: mine.group(marker=marker),
    }
    for noun, make in calls.items():
        mock.controls.inject(f"{noun}.create", kind="lose_response", match=f"m-{noun}")
        with pytest.raises(Timeout):
            make(f"m-{noun}")
        assert len(getattr(mock, noun).find(marker=f"m-{noun}")) == 1


def test_a_router_can_lack_its_gateway(mock: MockCloud, mine: Networking) -> None:
    mock.controls.inject("routers.create", kind="half")
    with pytest.raises(Timeout):
        mine.router(mine.external().id, marker="m-1")
    (router,) = mock.routers.find(marker="m-1")
    assert (router.external_network_id, router.external_ip) == (None, None)
    mock.routers.set_gateway(router.id, mine.external().id, request_id=REQUEST_ID)
    assert mock.routers.get(router.id).external_ip


def test_what_is_made_can_be_hidden_for_a_while(
    slow_mock: MockCloud, clock: Clock
) -> None:
    slow_mock.controls.inject("networks.create", kind="hidden", delay=3)
    created = slow_mock.networks.create("n", marker="m-1", request_id=REQUEST_ID)
    assert slow_mock.networks.find(marker="m-1") == []
    assert created.created_id
    with pytest.raises(NotFound):
        slow_mock.networks.delete(created.created_id, request_id=REQUEST_ID)
    clock.advance(3)
    assert [n.id for n in slow_mock.networks.find(marker="m-1")] == [created.created_id]


def test_a_fault_waits_for_the_thing_it_matches(
    mock: MockCloud, mine: Networking
) -> None:
    network = mine.network("web", marker="m-1")
    other = mine.network("db", marker="m-2")
    port, floating_ip = mine.port(network.id, marker="m-3"), mine.floating_ip()
    controls = mock.controls
    # By name, by marker, by id, and by what else the call names.
    controls.inject("networks.delete", kind="fail", match="^web m-1 ")
    controls.inject("networks.delete", kind="fail", match=f"{other.id}$")
    controls.inject("ports.find", kind="fail", match="^m-3$")
    controls.inject("ports.get", kind="fail", match="m-3")
    controls.inject("floating_ips.attach", kind="fail", match=port.id)
    for make in (
        lambda: mock.networks.delete(other.id, request_id=REQUEST_ID),
        lambda: mock.networks.delete(network.id, request_id=REQUEST_ID),
        lambda: mock.ports.find(marker="m-3"),
        lambda: mock.ports.get(port.id),
        lambda: mock.floating_ips.attach(
            floating_ip.id, port_id=port.id, fixed_ip="10.1.0.2", request_id=REQUEST_ID
        ),
    ):
        before = controls.pending_faults()
        with pytest.raises(Unavailable):
            make()
        assert controls.pending_faults() == before - 1
    assert controls.pending_faults() == 0


def test_a_fault_waits_for_the_port_it_matches(
    mock: MockCloud, mine: Networking
) -> None:
    server_id, network_id = boot(mock), mine.usable_network().network_id
    one, two = mine.port(network_id), mine.port(network_id)
    mock.controls.inject("servers.attach_port", kind="fail", match=f" {two.id}$")
    mock.servers.attach_port(server_id, one.id, request_id=REQUEST_ID)
    with pytest.raises(Unavailable):
        mock.servers.attach_port(server_id, two.id, request_id=REQUEST_ID)
