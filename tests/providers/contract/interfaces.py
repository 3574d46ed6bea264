"""What every driver owes of the network cards of servers."""

from uuid import uuid4

import pytest

from providers.contract.ports import Port
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import STATES, Lab, new_request_id
from tests.support.contract_networks import Networking
from tests.support.provider_verbs import NOVA_GUARDS, VM_STATE_OF_STATUS

ATTACHABLE = [
    state
    for state in STATES
    if VM_STATE_OF_STATUS.get(state, state)
    in NOVA_GUARDS["attach_interface"]["permit"]["vm_state"]
]


def attach(lab: Lab, server_id: str, port: Port) -> None:
    """Attach a port and wait until it is done."""
    receipt = lab.cloud.servers.attach_port(
        server_id, port.id, request_id=new_request_id()
    )
    lab.finish(server_id, receipt)
    assert lab.cloud.ports.get(port.id).server_id == server_id


def detach(lab: Lab, server_id: str, port: Port) -> None:
    """Detach a port and wait until it is done."""
    receipt = lab.cloud.servers.detach_port(
        server_id, port.id, request_id=new_request_id()
    )
    lab.finish(server_id, receipt)
    lab.wait_until(lambda: lab.cloud.ports.get(port.id).device_id == "")


def shows(lab: Lab, server_id: str, port: Port) -> bool:
    """Tell whether a server shows the address of a port."""
    addresses = lab.cloud.servers.get(server_id).addresses
    return port.fixed_ips[0].ip in {address.ip for address in addresses}


class InterfaceContract:
    def test_a_server_has_a_port_that_goes_with_it(self, lab: Lab) -> None:
        server = lab.create()
        (port,) = lab.ports_of(server.id)
        assert port.device_owner.startswith("compute:")
        assert {fixed.ip for fixed in port.fixed_ips} == {
            address.ip for address in server.addresses
        }
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)
        assert not lab.ports_of(server.id)

    def test_a_server_has_the_ports_it_is_made_with(
        self, lab: Lab, net: Networking
    ) -> None:
        subnets = [net.usable_network(f"10.93.{number}.0/24") for number in range(2)]
        ports = [net.port(subnet.network_id) for subnet in subnets]
        server_id, _ = lab.request(lab.spec(port_ids=[port.id for port in ports]))
        lab.settle(server_id, "ACTIVE")
        assert {p.id for p in lab.ports_of(server_id)} == {port.id for port in ports}
        for port in ports:
            lab.wait_until(lambda port=port: shows(lab, server_id, port))  # type: ignore[misc]  # bound now
            now = lab.cloud.ports.get(port.id)
            assert (now.fixed_ips, now.security_group_ids) == (
                port.fixed_ips,
                port.security_group_ids,
            )
        assert len(lab.cloud.servers.get(server_id).addresses) == 2
        lab.cloud.servers.delete(server_id, request_id=new_request_id())
        lab.wait_gone(server_id)
        for port in ports:
            left = lab.cloud.ports.get(port.id)
            assert (left.device_id, left.server_id) == ("", "")
            assert left.fixed_ips == port.fixed_ips

    def test_a_server_is_made_with_ports_that_nothing_uses(
        self, lab: Lab, net: Networking
    ) -> None:
        server = lab.server_in("ACTIVE")
        port = net.port(net.usable_network().network_id)
        attach(lab, server.id, port)
        spec = lab.spec(port_ids=[port.id])
        with pytest.raises(Conflict) as caught:
            lab.cloud.servers.create(spec, request_id=new_request_id())
        assert caught.value.status == 409
        assert port.id in caught.value.message
        assert lab.cloud.servers.find(tag=spec.tag) == []
        detach(lab, server.id, port)
        lab.put_back(server.id)

    def test_a_server_takes_known_ports_with_an_address(
        self, lab: Lab, net: Networking
    ) -> None:
        bare = net.port(net.network().id)
        for port_id in (str(uuid4()), bare.id):
            spec = lab.spec(port_ids=[port_id])
            with pytest.raises(InvalidRequest) as caught:
                lab.cloud.servers.create(spec, request_id=new_request_id())
            assert caught.value.status == 400
            assert lab.cloud.servers.find(tag=spec.tag) == []

    def test_a_server_takes_a_port_once(self, lab: Lab, net: Networking) -> None:
        port = net.port(net.usable_network().network_id)
        spec = lab.spec(port_ids=[port.id, port.id])
        with pytest.raises(InvalidRequest) as caught:
            lab.cloud.servers.create(spec, request_id=new_request_id())
        assert caught.value.status == 400
        assert lab.cloud.servers.find(tag=spec.tag) == []
        assert lab.cloud.ports.get(port.id) == port

    @pytest.mark.parametrize("state", ATTACHABLE)
    def test_a_port_is_attached_and_detached(
        self, lab: Lab, net: Networking, state: str
    ) -> None:
        server = lab.server_in(state)
        before = {port.id for port in lab.ports_of(server.id)}
        port = net.port(net.usable_network().network_id)
        attach(lab, server.id, port)
        newest = lab.cloud.servers.list_actions(server.id)[0]
        assert newest.action == "attach_interface"
        assert {p.id for p in lab.ports_of(server.id)} == before | {port.id}
        lab.wait_until(lambda: shows(lab, server.id, port))
        assert lab.cloud.servers.get(server.id).status == state
        detach(lab, server.id, port)
        newest = lab.cloud.servers.list_actions(server.id)[0]
        assert newest.action == "detach_interface"
        lab.wait_until(lambda: not shows(lab, server.id, port))
        assert {p.id for p in lab.ports_of(server.id)} == before
        # It is ours, and free for another.
        left = lab.cloud.ports.get(port.id)
        assert (left.device_id, left.fixed_ips) == ("", port.fixed_ips)
        attach(lab, server.id, port)
        detach(lab, server.id, port)
        lab.put_back(server.id)

    @pytest.mark.parametrize("state", sorted({*STATES} - {*ATTACHABLE}))
    def test_other_states_keep_the_ports_they_have(
        self, lab: Lab, net: Networking, state: str
    ) -> None:
        server = lab.server_in(state)
        port = net.port(net.usable_network().network_id)
        ports = lab.ports_of(server.id)
        for call, id in (
            (lab.cloud.servers.attach_port, port.id),
            *((lab.cloud.servers.detach_port, own.id) for own in ports[:1]),
        ):
            with pytest.raises(Conflict) as caught:
                call(server.id, id, request_id=new_request_id())
            assert caught.value.status == 409
            assert server.id in caught.value.message
        assert lab.cloud.ports.get(port.id) == port
        assert {p.id for p in lab.ports_of(server.id)} == {p.id for p in ports}
        lab.put_back(server.id)

    def test_a_port_has_one_server(self, lab: Lab, net: Networking) -> None:
        one, two = lab.server_in("ACTIVE"), lab.server_in("ACTIVE")
        port = net.port(net.usable_network().network_id)
        attach(lab, one.id, port)
        for server in (one, two):
            with pytest.raises(Conflict) as caught:
                lab.cloud.servers.attach_port(
                    server.id, port.id, request_id=new_request_id()
                )
            assert caught.value.status == 409
        assert lab.cloud.ports.get(port.id).server_id == one.id
        # Accepted, and then nothing is done: the action tells.
        receipt = lab.cloud.servers.detach_port(
            two.id, port.id, request_id=new_request_id()
        )
        assert lab.end_of(two.id, receipt).error
        assert lab.cloud.ports.get(port.id).server_id == one.id
        detach(lab, one.id, port)
        for server in (one, two):
            lab.put_back(server.id)

    def test_a_detach_of_what_is_not_attached_fails_behind_the_scenes(
        self, lab: Lab, net: Networking
    ) -> None:
        server = lab.server_in("ACTIVE")
        free = net.port(net.usable_network().network_id)
        for port_id in (free.id, str(uuid4())):
            receipt = lab.cloud.servers.detach_port(
                server.id, port_id, request_id=new_request_id()
            )
            end = lab.end_of(server.id, receipt)
            assert (end.action, bool(end.error)) == ("detach_interface", True)
        assert lab.cloud.ports.get(free.id) == free
        lab.put_back(server.id)

    def test_the_port_that_a_server_came_with_goes_when_detached(
        self, lab: Lab
    ) -> None:
        server = lab.create()
        (port,) = lab.ports_of(server.id)
        receipt = lab.cloud.servers.detach_port(
            server.id, port.id, request_id=new_request_id()
        )
        lab.finish(server.id, receipt)
        lab.wait_until(lambda: lab.ports_of(server.id) == [])
        with pytest.raises(NotFound):
            lab.cloud.ports.get(port.id)

    def test_what_an_attachment_names_must_exist(
        self, lab: Lab, net: Networking
    ) -> None:
        server = lab.server_in("ACTIVE")
        port, nobody = net.port(net.usable_network().network_id), str(uuid4())
        for call, server_id, port_id in (
            (lab.cloud.servers.attach_port, server.id, nobody),
            (lab.cloud.servers.attach_port, nobody, port.id),
            (lab.cloud.servers.detach_port, nobody, port.id),
        ):
            with pytest.raises(NotFound) as caught:
                call(server_id, port_id, request_id=new_request_id())
            assert caught.value.status == 404
        lab.put_back(server.id)

    def test_the_ports_of_a_deleted_server_stay_if_they_are_ours(
        self, lab: Lab, net: Networking
    ) -> None:
        server = lab.create()
        port = net.port(net.usable_network().network_id)
        attach(lab, server.id, port)
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)
        assert lab.ports_of(server.id) == []
        assert lab.cloud.ports.get(port.id).device_id == ""

    def test_a_port_is_deleted_although_a_server_has_it(
        self, lab: Lab, net: Networking
    ) -> None:
        server = lab.create()
        port = net.port(net.usable_network().network_id)
        attach(lab, server.id, port)
        lab.cloud.ports.delete(port.id, request_id=new_request_id())
        assert port.id not in {p.id for p in lab.ports_of(server.id)}
        with pytest.raises(NotFound):
            lab.cloud.ports.get(port.id)
