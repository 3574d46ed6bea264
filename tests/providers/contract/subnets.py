"""What every driver owes of subnets."""

from ipaddress import ip_address
from uuid import uuid4

import pytest

from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import new_request_id
from tests.support.contract_networks import CIDR, Networking, new_marker, refused

#: What no subnet with DHCP can have.
UNUSABLE = {
    "words": "nonsense",
    "nothing": "",
    "too long a prefix": "10.93.0.0/33",
    "one address": "10.93.0.1/32",
    "two addresses": "10.93.0.0/31",
    "the host itself": "127.0.0.0/8",
    "multicast": "224.0.0.0/4",
    "everything": "0.0.0.0/0",
}


class SubnetContract:
    def test_a_subnet_is_there_at_once(self, net: Networking) -> None:
        network, marker = net.network(), new_marker()
        subnet = net.subnet(network.id, marker=marker, dns_nameservers=["9.9.9.9"])
        assert (subnet.network_id, subnet.marker) == (network.id, marker)
        assert (subnet.cidr, subnet.ip_version) == (CIDR, 4)
        assert subnet.gateway_ip == "10.93.0.1"
        assert subnet.dns_nameservers == ("9.9.9.9",)
        assert subnet.dhcp
        assert subnet.allocation_pools == (("10.93.0.2", "10.93.0.254"),)
        assert net.cloud.subnets.find(marker=marker) == [subnet]
        assert net.cloud.subnets.find(marker=marker.upper()) == []

    def test_a_subnet_is_as_specified(self, net: Networking) -> None:
        subnet = net.subnet(
            net.network().id,
            gateway_ip="10.93.0.254",
            dns_nameservers=["9.9.9.9", "1.1.1.1"],
            dhcp=False,
            allocation_pools=[("10.93.0.10", "10.93.0.11")],
        )
        assert subnet.gateway_ip == "10.93.0.254"
        assert subnet.dns_nameservers == ("9.9.9.9", "1.1.1.1")
        assert not subnet.dhcp
        assert subnet.allocation_pools == (("10.93.0.10", "10.93.0.11"),)
        ports = [net.port(subnet.network_id) for _ in range(2)]
        assert {port.fixed_ips[0].ip for port in ports} == {"10.93.0.10", "10.93.0.11"}

    def test_a_subnet_may_have_no_gateway(self, net: Networking) -> None:
        subnet = net.subnet(net.network().id, "10.93.0.0/30", gateway_ip=None)
        assert subnet.gateway_ip is None
        assert subnet.allocation_pools == (("10.93.0.1", "10.93.0.2"),)

    def test_host_bits_of_a_cidr_are_cut(self, net: Networking) -> None:
        assert net.subnet(net.network().id, "10.93.0.5/24").cidr == CIDR

    def test_subnets_of_one_network_do_not_overlap(self, net: Networking) -> None:
        network = net.network()
        net.subnet(network.id)
        for cidr in (CIDR, "10.93.0.128/25", "10.92.0.0/15"):
            with refused(InvalidRequest, "InvalidInput"):
                net.subnet(network.id, cidr)
        net.subnet(network.id, "10.93.1.0/24")
        net.subnet(net.network().id)

    @pytest.mark.parametrize("cidr", UNUSABLE.values(), ids=UNUSABLE.keys())
    def test_an_unusable_cidr_is_invalid(self, net: Networking, cidr: str) -> None:
        network, marker = net.network(), new_marker()
        with pytest.raises(InvalidRequest) as caught:
            net.subnet(network.id, cidr, marker=marker)
        assert (caught.value.service, caught.value.status) == ("neutron", 400)
        assert net.cloud.subnets.find(marker=marker) == []

    def test_a_gateway_is_in_no_pool(self, net: Networking) -> None:
        with refused(Conflict, "GatewayConflictWithAllocationPools"):
            net.subnet(
                net.network().id,
                gateway_ip="10.93.0.10",
                allocation_pools=[("10.93.0.2", "10.93.0.20")],
            )

    def test_pools_fit_the_subnet(self, net: Networking) -> None:
        network = net.network()
        with refused(InvalidRequest, "OutOfBoundsAllocationPool"):
            net.subnet(network.id, allocation_pools=[("10.94.0.2", "10.94.0.20")])
        with refused(InvalidRequest, "InvalidAllocationPool"):
            net.subnet(network.id, allocation_pools=[("10.93.0.20", "10.93.0.2")])

    def test_a_subnet_has_five_nameservers_at_most(self, net: Networking) -> None:
        nameservers = [f"9.9.9.{number}" for number in range(1, 7)]
        subnet = net.subnet(net.network().id, dns_nameservers=nameservers[:5])
        assert subnet.dns_nameservers == tuple(nameservers[:5])
        with refused(InvalidRequest, "DNSNameServersExhausted"):
            net.cloud.subnets.update(
                subnet.id,
                gateway_ip=subnet.gateway_ip,
                dns_nameservers=nameservers,
                request_id=new_request_id(),
            )
        with refused(InvalidRequest, "DNSNameServersExhausted"):
            net.subnet(net.network().id, dns_nameservers=nameservers)

    def test_a_subnet_takes_a_known_network(self, net: Networking) -> None:
        with refused(NotFound, "NetworkNotFound"):
            net.subnet(str(uuid4()))

    def test_the_gateway_and_the_nameservers_change(self, net: Networking) -> None:
        subnet = net.usable_network()
        for gateway_ip, nameservers in (
            (subnet.gateway_ip, ("9.9.9.9", "1.1.1.1")),
            (None, ("1.1.1.1",)),
            (subnet.gateway_ip, ()),
        ):
            receipt = net.cloud.subnets.update(
                subnet.id,
                gateway_ip=gateway_ip,
                dns_nameservers=nameservers,
                request_id=new_request_id(),
            )
            assert receipt.request_id
            now = net.read_subnet(subnet.id)
            assert (now.gateway_ip, now.dns_nameservers) == (gateway_ip, nameservers)

    def test_the_gateway_of_a_router_stays(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        with refused(Conflict, "GatewayIpInUse"):
            net.cloud.subnets.update(
                subnet.id,
                gateway_ip=None,
                dns_nameservers=(),
                request_id=new_request_id(),
            )
        net.cloud.subnets.update(
            subnet.id,
            gateway_ip=subnet.gateway_ip,
            dns_nameservers=("9.9.9.9",),
            request_id=new_request_id(),
        )

    def test_an_unknown_subnet_is_not_found(self, net: Networking) -> None:
        nobody = str(uuid4())
        with refused(NotFound, "SubnetNotFound"):
            net.cloud.subnets.update(
                nobody, gateway_ip=None, dns_nameservers=(), request_id=new_request_id()
            )
        with refused(NotFound, "SubnetNotFound"):
            net.cloud.subnets.delete(nobody, request_id=new_request_id())

    def test_a_deleted_subnet_is_gone(self, net: Networking) -> None:
        subnet = net.usable_network()
        net.cloud.subnets.delete(subnet.id, request_id=new_request_id())
        assert net.cloud.subnets.find(marker=subnet.marker) == []
        with refused(NotFound, "SubnetNotFound"):
            net.cloud.subnets.delete(subnet.id, request_id=new_request_id())

    def test_a_subnet_with_a_port_is_not_deleted(self, net: Networking) -> None:
        subnet = net.usable_network()
        net.port(subnet.network_id)
        with refused(Conflict, "SubnetInUse"):
            net.cloud.subnets.delete(subnet.id, request_id=new_request_id())

    def test_a_subnet_with_a_router_is_not_deleted(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        with refused(Conflict, "SubnetInUse"):
            net.cloud.subnets.delete(subnet.id, request_id=new_request_id())

    def test_ports_configure_their_own_ipv6_addresses(self, net: Networking) -> None:
        network = net.network()
        subnet = net.subnet(network.id, "fd93::/64")
        assert (subnet.ip_version, subnet.gateway_ip) == (6, "fd93::")
        port = net.port(network.id)
        octets = bytes.fromhex(port.mac.replace(":", ""))
        card = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
        ip = ip_address(bytes.fromhex("fd93") + bytes(6) + card)
        assert [fixed.ip for fixed in port.fixed_ips] == [str(ip)]
        # They keep it from being deleted no more than they were asked to have it.
        net.cloud.subnets.delete(subnet.id, request_id=new_request_id())
        assert net.cloud.ports.get(port.id).fixed_ips == ()
