"""What every driver owes of networks."""

from uuid import uuid4

from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound
from tests.support.contract_cloud import new_request_id
from tests.support.contract_networks import Networking, new_marker, new_name, refused


class NetworkContract:
    def test_a_network_is_there_at_once(self, net: Networking) -> None:
        name, marker = new_name(), new_marker()
        network = net.network(name, marker=marker)
        assert (network.name, network.marker) == (name, marker)
        assert (network.shared, network.external) == (False, False)
        assert not network.default
        assert network.mtu > 0
        assert net.cloud.networks.find(marker=marker) == [network]

    def test_a_network_is_found_by_exactly_its_marker(self, net: Networking) -> None:
        marker = new_marker()
        one, two = (
            net.network("same", marker=marker),
            net.network("same", marker=marker),
        )
        for other in (marker.upper(), f"{marker} ", marker[:-1], new_marker()):
            assert net.cloud.networks.find(marker=other) == []
        found = {network.id for network in net.cloud.networks.find(marker=marker)}
        assert found == {one.id, two.id}

    def test_one_network_at_most_is_for_servers_that_name_no_port(
        self, cloud: Cloud
    ) -> None:
        networks = cloud.networks.list_all()
        assert sum(network.default for network in networks) <= 1
        assert len({network.id for network in networks}) == len(networks)

    def test_a_deleted_network_is_gone_with_its_subnets(self, net: Networking) -> None:
        subnet = net.usable_network()
        net.cloud.networks.delete(subnet.network_id, request_id=new_request_id())
        assert subnet not in net.cloud.subnets.list_all()
        assert subnet.network_id not in {n.id for n in net.cloud.networks.list_all()}
        with refused(NotFound, "NetworkNotFound"):
            net.cloud.networks.delete(subnet.network_id, request_id=new_request_id())

    def test_a_network_with_a_port_is_not_deleted(self, net: Networking) -> None:
        subnet = net.usable_network()
        port = net.port(subnet.network_id)
        with refused(Conflict, "NetworkInUse"):
            net.cloud.networks.delete(subnet.network_id, request_id=new_request_id())
        net.cloud.ports.delete(port.id, request_id=new_request_id())
        net.cloud.networks.delete(subnet.network_id, request_id=new_request_id())

    def test_a_network_with_a_router_is_not_deleted(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        with refused(Conflict, "NetworkInUse"):
            net.cloud.networks.delete(subnet.network_id, request_id=new_request_id())

    def test_an_unknown_network_is_not_found(self, cloud: Cloud) -> None:
        with refused(NotFound, "NetworkNotFound"):
            cloud.networks.delete(str(uuid4()), request_id=new_request_id())
