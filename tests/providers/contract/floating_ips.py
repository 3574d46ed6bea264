"""What every driver owes of floating IPs."""

from uuid import uuid4

from providers.contract.cloud import Cloud
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import Lab, new_request_id
from tests.support.contract_networks import Networking, Outlet, new_marker, refused


class FloatingIPContract:
    def test_a_floating_ip_is_there_at_once_and_leads_nowhere(
        self, net: Networking
    ) -> None:
        marker = new_marker()
        floating_ip = net.floating_ip(marker=marker)
        assert floating_ip.network_id == net.external().id
        assert floating_ip.marker == marker
        assert floating_ip.address
        assert (floating_ip.port_id, floating_ip.fixed_ip) == (None, None)
        assert floating_ip in net.cloud.floating_ips.list_all()
        assert net.cloud.floating_ips.find(marker=marker) == [floating_ip]
        assert net.cloud.floating_ips.find(marker=marker.upper()) == []
        assert net.floating_ip().address != floating_ip.address

    def test_a_floating_ip_is_of_a_known_and_external_network(
        self, net: Networking
    ) -> None:
        marker, internal = new_marker(), net.usable_network().network_id
        for network_id, error, code in (
            (str(uuid4()), NotFound, "NetworkNotFound"),
            (internal, InvalidRequest, "BadRequest"),
        ):
            with refused(error, code):
                net.cloud.floating_ips.create(
                    network_id, marker=marker, request_id=new_request_id()
                )
        assert net.cloud.floating_ips.find(marker=marker) == []

    def test_a_floating_ip_leads_to_an_address_of_a_port(
        self, net: Networking, outlet: Outlet
    ) -> None:
        port = net.port(outlet.network_id)
        floating_ip = net.lead(net.floating_ip(), port)
        assert (floating_ip.port_id, floating_ip.fixed_ip) == (
            port.id,
            port.fixed_ips[0].ip,
        )
        assert floating_ip in net.cloud.floating_ips.list_all()
        assert net.lead(floating_ip, port) == floating_ip

    def test_a_floating_ip_is_moved(self, net: Networking, outlet: Outlet) -> None:
        one, two = net.port(outlet.network_id), net.port(outlet.network_id)
        floating_ip = net.lead(net.floating_ip(), one)
        assert net.lead(floating_ip, two).port_id == two.id

    def test_a_floating_ip_is_detached_once_or_again(
        self, net: Networking, outlet: Outlet
    ) -> None:
        floating_ip = net.lead(net.floating_ip(), net.port(outlet.network_id))
        for _ in range(2):
            receipt = net.cloud.floating_ips.detach(
                floating_ip.id, request_id=new_request_id()
            )
            assert receipt.request_id
            now = net.cloud.floating_ips.get(floating_ip.id)
            assert (now.port_id, now.fixed_ip) == (None, None)

    def test_one_floating_ip_leads_to_an_address(
        self, net: Networking, outlet: Outlet
    ) -> None:
        port, second = net.port(outlet.network_id), net.floating_ip()
        net.lead(net.floating_ip(), port)
        with refused(Conflict, "FloatingIPPortAlreadyAssociated"):
            net.lead(second, port)
        assert net.cloud.floating_ips.get(second.id).port_id is None

    def test_a_floating_ip_leads_through_a_router(self, net: Networking) -> None:
        floating_ip, subnet = net.floating_ip(), net.usable_network()
        port, router = net.port(subnet.network_id), net.router()
        with refused(NotFound, "ExternalGatewayForFloatingIPNotFound"):
            net.lead(floating_ip, port)
        net.connect(router.id, subnet.id)
        with refused(NotFound, "ExternalGatewayForFloatingIPNotFound"):
            net.lead(floating_ip, port)
        net.cloud.routers.set_gateway(
            router.id, floating_ip.network_id, request_id=new_request_id()
        )
        assert net.lead(floating_ip, port).port_id == port.id

    def test_a_floating_ip_leads_to_an_address_that_the_port_has(
        self, net: Networking, outlet: Outlet
    ) -> None:
        port, floating_ip = net.port(outlet.network_id), net.floating_ip()
        with refused(InvalidRequest, "BadRequest"):
            net.cloud.floating_ips.attach(
                floating_ip.id,
                port_id=port.id,
                fixed_ip="10.94.255.1",
                request_id=new_request_id(),
            )
        with refused(NotFound, "PortNotFound"):
            net.cloud.floating_ips.attach(
                floating_ip.id,
                port_id=str(uuid4()),
                fixed_ip=port.fixed_ips[0].ip,
                request_id=new_request_id(),
            )
        assert net.cloud.floating_ips.get(floating_ip.id) == floating_ip

    def test_a_floating_ip_outlives_its_port(
        self, net: Networking, outlet: Outlet
    ) -> None:
        port = net.port(outlet.network_id)
        floating_ip = net.lead(net.floating_ip(), port)
        net.cloud.ports.delete(port.id, request_id=new_request_id())
        now = net.cloud.floating_ips.get(floating_ip.id)
        assert (now.port_id, now.fixed_ip) == (None, None)
        assert now.address == floating_ip.address

    def test_a_server_shows_its_floating_ip(
        self, lab: Lab, net: Networking, outlet: Outlet
    ) -> None:
        port = net.port(outlet.network_id)
        floating_ip = net.lead(net.floating_ip(), port)
        server_id, _ = lab.request(lab.spec(port_ids=[port.id]))
        lab.settle(server_id, "ACTIVE")
        shown = {(port.fixed_ips[0].ip, "fixed"), (floating_ip.address, "floating")}

        def shows_both() -> bool:
            addresses = lab.cloud.servers.get(server_id).addresses
            return {(a.ip, a.type) for a in addresses} == shown

        lab.wait_until(shows_both)
        # The port is ours: it keeps the floating IP when its server goes.
        lab.cloud.servers.delete(server_id, request_id=new_request_id())
        lab.wait_gone(server_id)
        assert net.cloud.floating_ips.get(floating_ip.id).port_id == port.id

    def test_a_deleted_floating_ip_is_gone(
        self, net: Networking, outlet: Outlet
    ) -> None:
        floating_ip = net.lead(net.floating_ip(), net.port(outlet.network_id))
        net.cloud.floating_ips.delete(floating_ip.id, request_id=new_request_id())
        assert net.cloud.floating_ips.find(marker=floating_ip.marker) == []
        with refused(NotFound, "FloatingIPNotFound"):
            net.cloud.floating_ips.delete(floating_ip.id, request_id=new_request_id())

    def test_an_unknown_floating_ip_is_not_found(
        self, net: Networking, cloud: Cloud, outlet: Outlet
    ) -> None:
        nobody, port = str(uuid4()), net.port(outlet.network_id)
        with refused(NotFound, "FloatingIPNotFound"):
            cloud.floating_ips.get(nobody)
        with refused(NotFound, "FloatingIPNotFound"):
            cloud.floating_ips.detach(nobody, request_id=new_request_id())
        with refused(NotFound, "FloatingIPNotFound"):
            cloud.floating_ips.attach(
                nobody,
                port_id=port.id,
                fixed_ip=port.fixed_ips[0].ip,
                request_id=new_request_id(),
            )
