"""What other hands than ours do to the networks of the mock."""

import uuid
from collections.abc import Callable

import pytest

from providers.contract.security_groups import RuleSpec
from providers.errors import NotFound
from providers.mock import MockCloud
from tests.support.contract_networks import Networking
from tests.support.mock_servers import REQUEST_ID, boot


def test_a_network_deleted_outside_takes_all_with_it(
    mock: MockCloud, mine: Networking
) -> None:
    outlet = mine.outlet()
    port = mine.port(outlet.network_id)
    floating_ip = mine.lead(mine.floating_ip(), port)
    server_id = boot(mock)
    mock.servers.attach_port(server_id, port.id, request_id=REQUEST_ID)
    mock.controls.delete_network(outlet.network_id)
    assert outlet.network_id not in {n.id for n in mock.networks.list_all()}
    assert outlet.subnet_id not in {s.id for s in mock.subnets.list_all()}
    assert outlet.network_id not in {p.network_id for p in mock.ports.list_all()}
    assert mock.floating_ips.get(floating_ip.id).port_id is None
    assert [a.network for a in mock.servers.get(server_id).addresses] == ["private"]
    mock.routers.delete(outlet.router_id, request_id=REQUEST_ID)


def test_an_external_network_deleted_outside_takes_gateways_and_floating_ips(
    mock: MockCloud, mine: Networking
) -> None:
    router = mine.router(mine.external().id)
    mine.floating_ip()
    mock.controls.delete_network(mine.external().id)
    assert mock.routers.get(router.id).external_network_id is None
    assert mock.floating_ips.list_all() == []


def test_a_network_is_renamed_outside(mock: MockCloud, mine: Networking) -> None:
    network = mine.network("old", marker="m-1")
    mock.controls.rename_network(network.id, "new")
    (renamed,) = mock.networks.find(marker="m-1")
    assert (renamed.id, renamed.name) == (network.id, "new")


def test_a_router_loses_and_gets_its_gateway_outside(
    mock: MockCloud, mine: Networking
) -> None:
    outlet = mine.outlet()
    mine.lead(mine.floating_ip(), mine.port(outlet.network_id))
    mock.controls.set_router_gateway(outlet.router_id, None)
    assert mock.routers.get(outlet.router_id).external_ip is None
    mock.controls.set_router_gateway(outlet.router_id, outlet.external_id)
    assert mock.routers.get(outlet.router_id).external_network_id == outlet.external_id


def test_a_floating_ip_is_moved_outside(mock: MockCloud, mine: Networking) -> None:
    outlet = mine.outlet()
    one, two = mine.port(outlet.network_id), mine.port(outlet.network_id)
    floating_ip = mine.lead(mine.floating_ip(), one)
    mock.controls.move_floating_ip(floating_ip.id, two.id)
    moved = mock.floating_ips.get(floating_ip.id)
    assert (moved.port_id, moved.fixed_ip) == (two.id, two.fixed_ips[0].ip)
    mock.controls.move_floating_ip(floating_ip.id, None)
    assert mock.floating_ips.get(floating_ip.id).port_id is None
    mock.controls.delete_floating_ip(floating_ip.id)
    assert mock.floating_ips.list_all() == []


def test_rules_are_changed_outside(mock: MockCloud, mine: Networking) -> None:
    group = mine.group()
    rule_id = mock.controls.add_rule(
        RuleSpec(group_id=group.id, marker="", direction="ingress", ip_version=4)
    )
    rules = {rule.id: rule for rule in mock.security_groups.get(group.id).rules}
    assert (rules[rule_id].direction, rules[rule_id].marker) == ("ingress", "")
    mock.controls.delete_rule(rule_id)
    assert mock.security_groups.get(group.id) == group


def test_a_port_is_deleted_outside(mock: MockCloud, mine: Networking) -> None:
    server_id = boot(mock)
    (port,) = [p for p in mock.ports.list_all() if p.server_id == server_id]
    mock.controls.delete_port(port.id)
    assert mock.servers.get(server_id).addresses == ()
    mock.servers.delete(server_id, request_id=REQUEST_ID)
    assert server_id not in {p.server_id for p in mock.ports.list_all()}


def test_a_port_left_behind_says_whose_it_was(mock: MockCloud) -> None:
    server_id = boot(mock)
    left = mock.controls.leave_port(server_id)
    mock.servers.delete(server_id, request_id=REQUEST_ID)
    (port,) = [p for p in mock.ports.list_all() if p.server_id]
    assert (port.id, port.server_id) == (left, server_id)
    mock.ports.delete(left, request_id=REQUEST_ID)
    assert [p.server_id for p in mock.ports.list_all()] == [""]


def test_a_vanished_server_lets_go_of_its_ports(
    mock: MockCloud, mine: Networking
) -> None:
    server_id = boot(mock)
    port = mine.port(mine.usable_network().network_id)
    mock.servers.attach_port(server_id, port.id, request_id=REQUEST_ID)
    mock.controls.vanish(server_id)
    assert mock.ports.get(port.id) == port
    assert server_id not in {p.server_id for p in mock.ports.list_all()}


def test_what_is_not_there_cannot_be_changed(mock: MockCloud) -> None:
    nobody, controls = str(uuid.uuid4()), mock.controls
    changes: list[Callable[[], object]] = [
        lambda: controls.delete_network(nobody),
        lambda: controls.rename_network(nobody, "new"),
        lambda: controls.exhaust_addresses(nobody),
        lambda: controls.set_router_gateway(nobody, None),
        lambda: controls.move_floating_ip(nobody, None),
        lambda: controls.delete_floating_ip(nobody),
        lambda: controls.delete_port(nobody),
        lambda: controls.delete_rule(nobody),
    ]
    for change in changes:
        with pytest.raises(NotFound):
            change()
