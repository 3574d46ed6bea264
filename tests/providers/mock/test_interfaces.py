"""Network cards of the mock's servers, in time and when something fails."""

from collections.abc import Callable

import pytest

from providers.contract.ports import Port, PortSpec
from providers.errors import Conflict, NotFound, Unavailable
from providers.mock import MockCloud
from tests.support.clock import Clock
from tests.support.mock_servers import AGES, REQUEST_ID, boot, newest_action, spec, stop


@pytest.fixture
def port(slow_mock: MockCloud) -> Port:
    """Return a port of ours on the network that servers get."""
    (network,) = [n for n in slow_mock.networks.list_all() if n.default]
    new = PortSpec(network_id=network.id, name="", marker="m-1")
    receipt = slow_mock.ports.create(new, request_id=REQUEST_ID)
    assert receipt.created_id is not None
    return slow_mock.ports.get(receipt.created_id)


def device_of(mock: MockCloud, port: Port) -> str:
    return mock.ports.get(port.id).device_id


def attach(mock: MockCloud, server_id: str, port: Port) -> None:
    mock.servers.attach_port(server_id, port.id, request_id=REQUEST_ID)


def detach(mock: MockCloud, server_id: str, port: Port) -> None:
    mock.servers.detach_port(server_id, port.id, request_id=REQUEST_ID)


def test_an_attachment_is_done_when_it_is_answered(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    before = slow_mock.servers.get(server_id)
    attach(slow_mock, server_id, port)
    assert device_of(slow_mock, port) == server_id
    action = newest_action(slow_mock, server_id)
    assert (action.action, action.finished, action.error) == (
        "attach_interface",
        True,
        None,
    )
    # Nova's listing of changes is blind to it.
    assert slow_mock.servers.get(server_id).updated_at == before.updated_at


def test_a_detachment_takes_a_while(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    attach(slow_mock, server_id, port)
    detach(slow_mock, server_id, port)
    assert device_of(slow_mock, port) == server_id
    assert not newest_action(slow_mock, server_id).finished
    with pytest.raises(Conflict, match="still in use"):
        attach(slow_mock, server_id, port)
    clock.advance(0.6)
    assert device_of(slow_mock, port) == ""
    action = newest_action(slow_mock, server_id)
    assert (action.action, action.finished, action.error) == (
        "detach_interface",
        True,
        None,
    )


def test_a_second_detachment_fails_behind_the_scenes(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    attach(slow_mock, server_id, port)
    detach(slow_mock, server_id, port)
    detach(slow_mock, server_id, port)
    clock.advance(AGES)
    assert newest_action(slow_mock, server_id).error == "Error"
    assert device_of(slow_mock, port) == ""


def test_a_port_stays_with_its_server_until_that_is_gone(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    attach(slow_mock, server_id, port)
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    assert device_of(slow_mock, port) == server_id
    clock.advance(0.9)
    # It still answers, as DELETED.
    assert slow_mock.servers.get(server_id).status == "DELETED"
    assert device_of(slow_mock, port) == ""


def test_a_server_that_is_built_with_a_port_has_it_at_once(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, spec(port_ids=[port.id]))
    assert device_of(slow_mock, port) == server_id
    assert slow_mock.servers.get(server_id).addresses == ()
    clock.advance(AGES)
    (address,) = slow_mock.servers.get(server_id).addresses
    assert (address.ip, address.mac) == (port.fixed_ips[0].ip, port.mac)


def test_a_build_that_fails_lets_go_of_its_ports(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    slow_mock.controls.inject("servers.create", kind="build_error", times=2)
    boot(slow_mock, spec(port_ids=[port.id]))
    boot(slow_mock, clock=clock)
    assert device_of(slow_mock, port) == ""
    assert {p.server_id for p in slow_mock.ports.list_all()} == {""}


def test_cards_keep_their_order(slow_mock: MockCloud, clock: Clock, port: Port) -> None:
    private = port.network_id
    new = PortSpec(network_id=private, name="", marker="m-2")
    second = slow_mock.ports.create(new, request_id=REQUEST_ID).created_id
    assert second is not None
    server_id = boot(slow_mock, spec(port_ids=[second, port.id]), clock=clock)
    macs = [address.mac for address in slow_mock.servers.get(server_id).addresses]
    assert macs == [slow_mock.ports.get(second).mac, port.mac]


@pytest.mark.parametrize("call", [attach, detach])
def test_a_lock_and_a_task_refuse_changes(
    slow_mock: MockCloud,
    clock: Clock,
    port: Port,
    call: Callable[[MockCloud, str, Port], None],
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.lock(server_id)
    with pytest.raises(Conflict, match="is locked"):
        call(slow_mock, server_id, port)
    slow_mock.controls.unlock(server_id)
    stop(slow_mock, server_id)
    with pytest.raises(Conflict, match="task_state powering-off"):
        call(slow_mock, server_id, port)
    assert device_of(slow_mock, port) == ""


def test_a_host_that_fails_at_an_attachment_leaves_the_port(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.attach_port", kind="fail_async")
    with pytest.raises(Unavailable, match="Failed to attach network adapter") as caught:
        attach(slow_mock, server_id, port)
    assert (caught.value.status, caught.value.ambiguous) == (500, True)
    assert device_of(slow_mock, port) == ""
    assert newest_action(slow_mock, server_id).error == "Error"
    attach(slow_mock, server_id, port)


def test_a_host_that_dies_at_an_attachment_leaves_it_half_done(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.attach_port", kind="stuck")
    with pytest.raises(Unavailable):
        attach(slow_mock, server_id, port)
    clock.advance(AGES)
    assert device_of(slow_mock, port) == server_id
    assert not newest_action(slow_mock, server_id).finished
    detach(slow_mock, server_id, port)
    clock.advance(AGES)
    assert device_of(slow_mock, port) == ""


def test_a_detachment_can_fail_or_never_end(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    attach(slow_mock, server_id, port)
    slow_mock.controls.inject("servers.detach_port", kind="fail_async")
    detach(slow_mock, server_id, port)
    clock.advance(AGES)
    assert newest_action(slow_mock, server_id).error == "Error"
    slow_mock.controls.inject("servers.detach_port", kind="stuck")
    detach(slow_mock, server_id, port)
    clock.advance(AGES)
    assert not newest_action(slow_mock, server_id).finished
    assert device_of(slow_mock, port) == server_id


def test_a_lost_answer_leaves_the_port_attached(
    slow_mock: MockCloud, clock: Clock, port: Port
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.attach_port", kind="lose_response", status=502)
    with pytest.raises(Unavailable):
        attach(slow_mock, server_id, port)
    assert device_of(slow_mock, port) == server_id


def test_a_floating_ip_goes_free_with_the_port_that_came_with_a_server(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    (port,) = [p for p in slow_mock.ports.list_all() if p.server_id == server_id]
    (public,) = [n for n in slow_mock.networks.list_all() if n.external]
    created = slow_mock.floating_ips.create(public.id, marker="", request_id=REQUEST_ID)
    assert created.created_id is not None
    slow_mock.floating_ips.attach(
        created.created_id,
        port_id=port.id,
        fixed_ip=port.fixed_ips[0].ip,
        request_id=REQUEST_ID,
    )
    floating = slow_mock.floating_ips.get(created.created_id)
    shown = [(a.ip, a.type) for a in slow_mock.servers.get(server_id).addresses]
    assert shown == [(port.fixed_ips[0].ip, "fixed"), (floating.address, "floating")]
    detach(slow_mock, server_id, port)
    clock.advance(AGES)
    with pytest.raises(NotFound):
        slow_mock.ports.get(port.id)
    assert slow_mock.floating_ips.get(floating.id).port_id is None
    assert slow_mock.servers.get(server_id).addresses == ()
