"""What every driver owes of routers."""

from uuid import uuid4

from providers.contract.cloud import Cloud
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import new_request_id
from tests.support.contract_networks import Networking, Outlet, new_marker, refused


class RouterContract:
    def test_a_router_is_there_at_once(self, net: Networking) -> None:
        marker = new_marker()
        router = net.router(marker=marker)
        assert router.marker == marker
        assert (router.external_network_id, router.external_ip) == (None, None)
        assert router in net.cloud.routers.list_all()
        assert net.cloud.routers.find(marker=marker) == [router]
        assert net.cloud.routers.find(marker=marker.upper()) == []

    def test_a_router_has_an_address_of_its_own_outside(self, net: Networking) -> None:
        external = net.external()
        router = net.router(external.id)
        assert router.external_network_id == external.id
        assert router.external_ip
        assert router in net.cloud.routers.list_all()

    def test_a_gateway_is_set_and_cleared(self, net: Networking) -> None:
        external, router = net.external(), net.router()
        addresses = []
        for network_id in (external.id, external.id, None, None):
            receipt = net.cloud.routers.set_gateway(
                router.id, network_id, request_id=new_request_id()
            )
            assert receipt.request_id
            now = net.cloud.routers.get(router.id)
            assert now.external_network_id == network_id
            addresses.append(now.external_ip)
        assert addresses[0]
        assert addresses == [addresses[0], addresses[0], None, None]

    def test_a_gateway_takes_a_known_and_external_network(
        self, net: Networking
    ) -> None:
        router, internal, marker = net.router(), net.usable_network(), new_marker()
        for network_id, error, code in (
            (str(uuid4()), NotFound, "NetworkNotFound"),
            (internal.network_id, InvalidRequest, "BadRequest"),
        ):
            with refused(error, code):
                net.router(network_id, marker=marker)
            with refused(error, code):
                net.cloud.routers.set_gateway(
                    router.id, network_id, request_id=new_request_id()
                )
        assert net.cloud.routers.find(marker=marker) == []
        assert net.cloud.routers.get(router.id) == router

    def test_a_subnet_is_attached_and_detached(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        assert net.connect(router.id, subnet.id).request_id
        (port,) = [p for p in net.cloud.ports.list_all() if p.router_id == router.id]
        assert port.network_id == subnet.network_id
        assert [(f.subnet_id, f.ip) for f in port.fixed_ips] == [
            (subnet.id, subnet.gateway_ip)
        ]
        assert (port.device_id, port.server_id) == (router.id, "")
        receipt = net.cloud.routers.detach_subnet(
            router.id, subnet.id, request_id=new_request_id()
        )
        assert receipt.request_id
        assert router.id not in {p.router_id for p in net.cloud.ports.list_all()}
        with refused(NotFound, "RouterInterfaceNotFoundForSubnet"):
            net.cloud.routers.detach_subnet(
                router.id, subnet.id, request_id=new_request_id()
            )

    def test_a_router_has_several_subnets_that_do_not_overlap(
        self, net: Networking
    ) -> None:
        one, router = net.usable_network(), net.router()
        net.connect(router.id, one.id)
        with refused(InvalidRequest, "BadRequest"):  # it has this one
            net.connect(router.id, one.id)
        with refused(InvalidRequest, "BadRequest"):
            net.connect(router.id, net.usable_network("10.93.0.128/25").id)
        net.connect(router.id, net.usable_network("10.93.1.0/24").id)
        ports = [p for p in net.cloud.ports.list_all() if p.router_id == router.id]
        assert len(ports) == 2

    def test_a_subnet_has_one_router(self, net: Networking) -> None:
        subnet = net.usable_network()
        net.connect(net.router().id, subnet.id)
        with refused(Conflict, "IpAddressAlreadyAllocated"):
            net.connect(net.router().id, subnet.id)

    def test_a_subnet_without_a_gateway_has_no_router(self, net: Networking) -> None:
        subnet = net.subnet(net.network().id, gateway_ip=None)
        with refused(InvalidRequest, "BadRequest"):
            net.connect(net.router().id, subnet.id)

    def test_what_a_floating_ip_needs_stays(
        self, net: Networking, outlet: Outlet
    ) -> None:
        net.lead(net.floating_ip(), net.port(outlet.network_id))
        with refused(Conflict, "RouterInterfaceInUseByFloatingIP"):
            net.cloud.routers.detach_subnet(
                outlet.router_id, outlet.subnet_id, request_id=new_request_id()
            )
        with refused(Conflict, "RouterExternalGatewayInUseByFloatingIp"):
            net.cloud.routers.set_gateway(
                outlet.router_id, None, request_id=new_request_id()
            )
        router = net.cloud.routers.get(outlet.router_id)
        assert router.external_network_id == outlet.external_id

    def test_a_router_with_a_subnet_is_not_deleted(self, net: Networking) -> None:
        subnet, router = net.usable_network(), net.router()
        net.connect(router.id, subnet.id)
        with refused(Conflict, "RouterInUse"):
            net.cloud.routers.delete(router.id, request_id=new_request_id())

    def test_a_router_is_deleted_with_its_gateway(self, net: Networking) -> None:
        router = net.router(net.external().id)
        net.cloud.routers.delete(router.id, request_id=new_request_id())
        assert net.cloud.routers.find(marker=router.marker) == []
        with refused(NotFound, "RouterNotFound"):
            net.cloud.routers.delete(router.id, request_id=new_request_id())

    def test_what_a_router_call_names_must_exist(self, net: Networking) -> None:
        nobody, subnet, router = str(uuid4()), net.usable_network(), net.router()
        with refused(NotFound, "RouterNotFound"):
            net.connect(nobody, subnet.id)
        with refused(NotFound, "SubnetNotFound"):
            net.connect(router.id, nobody)

    def test_an_unknown_router_is_not_found(self, cloud: Cloud) -> None:
        nobody = str(uuid4())
        with refused(NotFound, "RouterNotFound"):
            cloud.routers.get(nobody)
        with refused(NotFound, "RouterNotFound"):
            cloud.routers.set_gateway(nobody, None, request_id=new_request_id())
        with refused(NotFound, "RouterNotFound"):
            cloud.routers.detach_subnet(nobody, nobody, request_id=new_request_id())
