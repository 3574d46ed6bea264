"""What every driver owes of ports."""

from uuid import uuid4

import pytest

from providers.contract.cloud import Cloud
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import new_request_id
from tests.support.contract_networks import Networking, new_marker, refused


class PortContract:
    def test_a_port_is_there_at_once_and_nobodys(self, net: Networking) -> None:
        subnet, marker = net.usable_network(), new_marker()
        port = net.port(subnet.network_id, marker=marker)
        assert (port.network_id, port.marker) == (subnet.network_id, marker)
        assert port.mac
        (fixed,) = port.fixed_ips
        assert fixed.subnet_id == subnet.id
        assert fixed.ip.startswith("10.93.0.")
        default = [g.id for g in net.cloud.security_groups.list_all() if g.is_default]
        assert list(port.security_group_ids) == default
        assert (port.device_id, port.device_owner) == ("", "")
        assert (port.server_id, port.router_id) == ("", "")
        assert port in net.cloud.ports.list_all()
        assert net.cloud.ports.find(marker=marker) == [port]
        assert net.cloud.ports.find(marker=marker.upper()) == []

    def test_a_port_has_the_address_and_groups_asked_for(self, net: Networking) -> None:
        subnet = net.usable_network()
        groups = {net.group().id, net.group().id}
        port = net.port(
            subnet.network_id, ip="10.93.0.77", security_group_ids=sorted(groups)
        )
        assert [fixed.ip for fixed in port.fixed_ips] == ["10.93.0.77"]
        assert set(port.security_group_ids) == groups
        bare = net.port(subnet.network_id, security_group_ids=[])
        assert bare.security_group_ids == ()

    def test_an_address_has_one_port(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        port = net.port(subnet.network_id)
        for ip in (port.fixed_ips[0].ip, subnet.gateway_ip):
            with refused(Conflict, "IpAddressAlreadyAllocated"):
                net.port(subnet.network_id, ip=ip)

    @pytest.mark.parametrize("ip", ["10.94.0.5", "10.93.0.0", "10.93.0.255"])
    def test_an_address_is_one_of_the_network(self, net: Networking, ip: str) -> None:
        with refused(InvalidRequest, "InvalidIpForNetwork"):
            net.port(net.usable_network().network_id, ip=ip)

    def test_an_address_is_an_address(self, net: Networking) -> None:
        with pytest.raises(InvalidRequest):
            net.port(net.usable_network().network_id, ip="10.93.0")

    def test_a_full_subnet_has_no_address_left(self, net: Networking) -> None:
        # Without DHCP, so that no agent takes one.
        network = net.network()
        net.subnet(network.id, "10.93.0.0/30", dhcp=False)
        first = net.port(network.id)
        with refused(Conflict, "IpAddressGenerationFailure"):
            net.port(network.id)
        net.cloud.ports.delete(first.id, request_id=new_request_id())
        assert net.port(network.id).fixed_ips == first.fixed_ips

    def test_a_port_has_one_address_of_several_subnets(self, net: Networking) -> None:
        network = net.network()
        subnets = {net.subnet(network.id, f"10.93.{n}.0/24").id for n in range(2)}
        (fixed,) = net.port(network.id).fixed_ips
        assert fixed.subnet_id in subnets

    def test_a_port_without_a_subnet_has_no_address(self, net: Networking) -> None:
        assert net.port(net.network().id).fixed_ips == ()

    def test_a_port_takes_known_networks_and_groups(self, net: Networking) -> None:
        network, nobody = net.usable_network().network_id, str(uuid4())
        with refused(NotFound, "NetworkNotFound"):
            net.port(nobody)
        with refused(NotFound, "SecurityGroupNotFound"):
            net.port(network, security_group_ids=[nobody])

    def test_the_groups_of_a_port_are_set(self, net: Networking) -> None:
        port = net.port(net.usable_network().network_id)
        one, two = net.group().id, net.group().id
        for groups in ([one, two], [two], []):
            receipt = net.cloud.ports.set_security_groups(
                port.id, groups, request_id=new_request_id()
            )
            assert receipt.request_id
            now = net.cloud.ports.get(port.id)
            assert sorted(now.security_group_ids) == sorted(groups)
        with refused(NotFound, "SecurityGroupNotFound"):
            net.cloud.ports.set_security_groups(
                port.id, [one, str(uuid4())], request_id=new_request_id()
            )
        assert net.cloud.ports.get(port.id).security_group_ids == ()

    def test_a_deleted_port_is_gone(self, net: Networking) -> None:
        port = net.port(net.usable_network().network_id)
        assert net.cloud.ports.delete(port.id, request_id=new_request_id()).request_id
        assert net.cloud.ports.find(marker=port.marker) == []
        with refused(NotFound, "PortNotFound"):
            net.cloud.ports.delete(port.id, request_id=new_request_id())

    def test_the_port_of_a_router_is_not_deleted(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        (port,) = [p for p in net.cloud.ports.list_all() if p.router_id == router.id]
        with refused(Conflict, "ServicePortInUse"):
            net.cloud.ports.delete(port.id, request_id=new_request_id())

    def test_an_unknown_port_is_not_found(self, cloud: Cloud) -> None:
        nobody = str(uuid4())
        with refused(NotFound, "PortNotFound"):
            cloud.ports.get(nobody)
        with refused(NotFound, "PortNotFound"):
            cloud.ports.set_security_groups(nobody, [], request_id=new_request_id())
        with refused(NotFound, "PortNotFound"):
            cloud.ports.delete(nobody, request_id=new_request_id())
