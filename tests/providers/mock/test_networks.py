"""Neutron's part of the mock: how it begins, its limits, and what others do to it."""

import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from providers.contract.floating_ips import FloatingIP
from providers.contract.networks import Network
from providers.contract.ports import Port, PortSpec
from providers.contract.security_groups import RuleSpec
from providers.contract.servers import Address
from providers.errors import Conflict, Forbidden, InvalidRequest, QuotaExceeded
from providers.mock import MockCloud
from tests.support.clock import Clock
from tests.support.contract_networks import Networking, refused
from tests.support.mock_servers import AGES, REQUEST_ID, boot


def network_named(mock: MockCloud, name: str) -> Network:
    (network,) = [n for n in mock.networks.list_all() if n.name == name]
    return network


def port_of(mock: MockCloud, server_id: str) -> Port:
    (port,) = [p for p in mock.ports.list_all() if p.server_id == server_id]
    return port


def lead_to_server(mine: Networking, server_id: str) -> FloatingIP:
    """Lead a new floating IP to the port that a server came with."""
    (port,) = [p for p in mine.cloud.ports.list_all() if p.server_id == server_id]
    return mine.lead(mine.floating_ip(), port)


# The beginning


def test_a_new_cloud_has_a_way_out(mock: MockCloud) -> None:
    public, private = (network_named(mock, name) for name in ("public", "private"))
    assert (public.external, public.shared, public.default) == (True, False, False)
    assert (private.external, private.shared, private.default) == (False, False, True)
    (router,) = mock.routers.list_all()
    assert router.external_network_id == public.id
    (port,) = mock.ports.list_all()
    assert (port.router_id, port.network_id) == (router.id, private.id)
    subnets = {s.network_id: s for s in mock.subnets.list_all()}
    assert subnets[public.id].cidr == "198.18.0.0/20"
    assert subnets[private.id].cidr == "10.10.0.0/18"
    assert [f.ip for f in port.fixed_ips] == [subnets[private.id].gateway_ip]


def test_new_clouds_have_the_same_ids(mock: MockCloud, tmp_path: Path) -> None:
    other = MockCloud(path=str(tmp_path / "other.sqlite3"), delay="0")
    assert other.networks.list_all() == mock.networks.list_all()
    assert other.subnets.list_all() == mock.subnets.list_all()
    assert other.routers.list_all() == mock.routers.list_all()
    assert other.ports.list_all() == mock.ports.list_all()
    assert other.security_groups.list_all() == mock.security_groups.list_all()


def test_the_default_group_lets_in_what_is_its_own(mock: MockCloud) -> None:
    (group,) = mock.security_groups.list_all()
    assert group.is_default
    assert {(r.direction, r.ip_version, r.group_id) for r in group.rules} == {
        ("egress", 4, None),
        ("egress", 6, None),
        ("ingress", 4, group.id),
        ("ingress", 6, group.id),
    }


def test_a_server_that_names_no_port_gets_one(mock: MockCloud) -> None:
    server_id = boot(mock)
    port = port_of(mock, server_id)
    assert port.id == str(uuid.uuid5(uuid.UUID(server_id), "port"))
    assert port.device_owner == "compute:nova"
    assert port.network_id == network_named(mock, "private").id
    (group,) = mock.security_groups.list_all()
    assert port.security_group_ids == (group.id,)
    assert [f.ip for f in port.fixed_ips] == ["10.10.0.11"]
    address = Address(ip="10.10.0.11", version=4, network="private", mac=port.mac)
    assert mock.servers.get(server_id).addresses == (address,)


def test_a_server_gets_another_address_if_its_own_is_taken(
    mock: MockCloud, mine: Networking
) -> None:
    taken = mine.port(network_named(mock, "private").id, ip="10.10.0.11")
    server_id = boot(mock)
    ips = {f.ip for port in (taken, port_of(mock, server_id)) for f in port.fixed_ips}
    assert len(ips) == 2
    assert {a.ip for a in mock.servers.get(server_id).addresses} < ips


def test_an_older_file_gets_its_networks(mock_path: Path) -> None:
    first = MockCloud(path=str(mock_path), delay="0")
    server_id, gone = boot(first), str(uuid.uuid4())
    addresses = first.servers.get(server_id).addresses
    first.close()
    db = sqlite3.connect(mock_path, isolation_level=None)
    for (table,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND (name IN ('networks',"
        " 'subnets', 'routers', 'ports', 'fixed_ips', 'neutron_quotas')"
        " OR name LIKE 'floating%' OR name LIKE 'security%')"
    ).fetchall():
        db.execute(f"DROP TABLE {table}")
    db.execute("ALTER TABLE faults DROP COLUMN code")
    db.execute("CREATE TABLE left_ports (id TEXT PRIMARY KEY, server_id TEXT NOT NULL)")
    db.execute("INSERT INTO left_ports VALUES ('left', ?)", (gone,))
    db.execute("PRAGMA user_version = 5")
    db.close()
    mock = MockCloud(path=str(mock_path), delay="0")
    assert mock.servers.get(server_id).addresses == addresses
    assert port_of(mock, gone).id == "left"
    assert network_named(mock, "private").default
    mock.ports.delete("left", request_id=REQUEST_ID)
    mock.close()
    again = MockCloud(path=str(mock_path), delay="0")
    assert {p.server_id for p in again.ports.list_all()} == {server_id, ""}


# Limits


def test_every_quota_of_neutron_can_be_full(mock: MockCloud, mine: Networking) -> None:
    subnet, group = mine.usable_network(), mine.group()
    rule = RuleSpec(
        group_id=group.id, marker="", direction="ingress", ip_version=4, protocol="tcp"
    )
    calls: dict[str, Callable[[], object]] = {
        "network": mine.network,
        "subnet": lambda: mine.subnet(subnet.network_id, "10.1.0.0/24"),
        "router": mine.router,
        "port": lambda: mine.port(subnet.network_id),
        "floatingip": mine.floating_ip,
        "security_group": mine.group,
        "security_group_rule": lambda: mine.rule(rule),
    }
    for resource, call in calls.items():
        mock.controls.set_quota(resource, 0)
        with pytest.raises(QuotaExceeded) as caught:
            call()
        refusal = caught.value
        assert (refusal.service, refusal.status) == ("neutron", 409)
        assert refusal.code == "OverQuota"
        assert f"['{resource}']" in refusal.message
        mock.controls.set_quota(resource, None)
        call()
    with pytest.raises(ValueError, match="'server'"):
        mock.controls.set_quota("server", 1)


def test_a_group_needs_room_for_its_rules(mock: MockCloud, mine: Networking) -> None:
    mock.controls.set_quota("security_group_rule", 5)  # four are the default group's
    with pytest.raises(QuotaExceeded, match="security_group_rule"):
        mine.group()
    assert len(mock.security_groups.list_all()) == 1
    mock.controls.set_quota("security_group_rule", 6)
    mine.group()


def test_ports_of_routers_and_floating_ips_count_for_nobody(
    mock: MockCloud, mine: Networking
) -> None:
    mock.controls.set_quota("port", 1)
    server_id = boot(mock)
    lead_to_server(mine, server_id)
    mine.connect(mine.router(mine.external().id).id, mine.usable_network().id)
    with pytest.raises(QuotaExceeded, match="Maximum number of ports") as caught:
        boot(mock)
    assert (caught.value.service, caught.value.status) == ("nova", 403)
    assert [server.id for server in mock.servers.list_all()] == [server_id]


def test_an_exhausted_network_has_no_address(mock: MockCloud, mine: Networking) -> None:
    router, external = mine.router(), mine.external()
    mock.controls.exhaust_addresses(external.id)
    with refused(Conflict, "IpAddressGenerationFailure"):
        mine.floating_ip()
    with refused(Conflict, "IpAddressGenerationFailure"):
        mine.router(external.id, marker="half")
    assert mock.routers.find(marker="half") == []
    with refused(Conflict, "IpAddressGenerationFailure"):
        mock.routers.set_gateway(router.id, external.id, request_id=REQUEST_ID)
    assert mock.routers.get(router.id) == router
    mock.controls.exhaust_addresses(external.id, exhausted=False)
    mine.floating_ip()


def test_a_server_without_an_address_ends_in_error(
    slow_mock: MockCloud, clock: Clock
) -> None:
    private = network_named(slow_mock, "private")
    slow_mock.controls.exhaust_addresses(private.id)
    server_id = boot(slow_mock)
    assert slow_mock.servers.get(server_id).status == "BUILD"
    clock.advance(AGES)
    server = slow_mock.servers.get(server_id)
    assert (server.status, server.addresses) == ("ERROR", ())
    assert server.fault is not None
    assert "allocate the network" in server.fault.message
    assert slow_mock.servers.list_actions(server_id)[0].action == "create"
    assert {p.server_id for p in slow_mock.ports.list_all()} == {""}


def test_a_server_needs_a_network(mock: MockCloud) -> None:
    mock.controls.delete_network(network_named(mock, "private").id)
    with pytest.raises(InvalidRequest, match="allocate a network"):
        boot(mock)
    assert mock.servers.list_all() == []


# What is not ours


def test_an_operators_network_is_only_used(mock: MockCloud, mine: Networking) -> None:
    public = mock.controls.add_network("office", shared=True, cidr="10.5.0.0/24")
    network = network_named(mock, "office")
    assert (network.id, network.shared, network.external) == (public, True, False)
    (subnet,) = [s for s in mock.subnets.list_all() if s.network_id == public]
    with pytest.raises(Forbidden, match="delete_network") as caught:
        mock.networks.delete(public, request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.code) == (
        "neutron",
        "PolicyNotAuthorized",
    )
    with pytest.raises(Forbidden):
        mine.subnet(public, "10.6.0.0/24")
    with pytest.raises(Forbidden):
        mock.subnets.delete(subnet.id, request_id=REQUEST_ID)
    with pytest.raises(Forbidden):
        mock.subnets.update(
            subnet.id, gateway_ip=None, dns_nameservers=(), request_id=REQUEST_ID
        )
    with refused(InvalidRequest, "BadRequest"):
        mine.connect(mine.router().id, subnet.id)
    with pytest.raises(Forbidden):
        mine.port(public, ip="10.5.0.9")
    assert mine.port(public).fixed_ips[0].ip == "10.5.0.2"


def test_nobody_sees_the_ports_of_gateways(mock: MockCloud, mine: Networking) -> None:
    mine.router(mine.external().id)
    mine.floating_ip()
    assert len(mock.ports.list_all()) == 1  # the router's on its subnet


def test_a_floating_ip_needs_ipv4(mock: MockCloud) -> None:
    outside = mock.controls.add_network("v6", external=True, cidr="fd00:9::/64")
    with refused(InvalidRequest, "BadRequest"):
        mock.floating_ips.create(outside, marker="", request_id=REQUEST_ID)


# Addresses


def test_pools_do_not_overlap(mine: Networking) -> None:
    pools = [("10.93.0.2", "10.93.0.20"), ("10.93.0.20", "10.93.0.30")]
    with refused(Conflict, "OverlappingAllocationPools"):
        mine.subnet(mine.network().id, allocation_pools=pools)


def test_addresses_come_from_every_pool(mine: Networking) -> None:
    pools = [("10.93.0.9", "10.93.0.9"), ("10.93.0.4", "10.93.0.5")]
    subnet = mine.subnet(mine.network().id, allocation_pools=pools)
    ips = [mine.port(subnet.network_id).fixed_ips[0].ip for _ in range(3)]
    assert ips == ["10.93.0.9", "10.93.0.4", "10.93.0.5"]
    with refused(Conflict, "IpAddressGenerationFailure"):
        mine.port(subnet.network_id)
    mine.port(subnet.network_id, ip="10.93.0.77")


def test_a_gateway_in_the_middle_makes_two_pools(mine: Networking) -> None:
    subnet = mine.subnet(mine.network().id, gateway_ip="10.93.0.100")
    assert subnet.allocation_pools == (
        ("10.93.0.1", "10.93.0.99"),
        ("10.93.0.101", "10.93.0.254"),
    )


def test_a_port_has_addresses_of_both_families(mine: Networking) -> None:
    network = mine.network()
    four = mine.subnet(network.id)
    old = mine.port(network.id)
    slaac, pooled = (
        mine.subnet(network.id, "fd93::/64"),
        mine.subnet(network.id, "fd94::/96"),
    )
    port = mine.port(network.id)
    assert {f.subnet_id for f in port.fixed_ips} == {four.id, slaac.id, pooled.id}
    # Cards configure themselves as soon as there is a range.
    now = mine.cloud.ports.get(old.id)
    assert {f.subnet_id for f in now.fixed_ips} == {four.id, slaac.id}
    with refused(InvalidRequest, "InvalidInput"):
        mine.port(network.id, ip="fd93::9")


def test_the_address_of_a_gateway_is_a_routers(mine: Networking) -> None:
    subnet, router = mine.usable_network(), mine.router()
    with refused(Conflict, "IpAddressAlreadyAllocated"):
        mine.port(subnet.network_id, ip=subnet.gateway_ip)
    mine.connect(router.id, subnet.id)
    with pytest.raises(InvalidRequest, match="already has a port on subnet"):
        mine.connect(router.id, subnet.id)
    with pytest.raises(InvalidRequest, match="overlaps with cidr"):
        mine.connect(router.id, mine.usable_network("10.93.0.128/25").id)


def test_five_thousand_ports_are_no_burden(mock: MockCloud, mine: Networking) -> None:
    subnet = mine.usable_network("10.64.0.0/16")
    for number in range(5000):
        port = PortSpec(network_id=subnet.network_id, name="", marker=f"m-{number}")
        mock.ports.create(port, request_id=REQUEST_ID)
    began = time.perf_counter()
    ports = mock.ports.list_all()
    # About 0.06 s; a wide margin for a busy machine.
    assert time.perf_counter() - began < 2
    assert len({f.ip for port in ports for f in port.fixed_ips}) == 5001
