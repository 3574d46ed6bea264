"""A VM's networks and security groups: attach, detach, set."""

from collections.abc import Sequence

from django.db import transaction

from compute.engine import calls, queue, runner
from compute.engine.work import Again, Answer, Done, Failed
from compute.errors import NotFound as NoSuchVM
from compute.errors import OpenStackError
from compute.events import Actor
from compute.expected import Expect
from compute.models import (
    VM,
    Network,
    Operation,
    OperationType,
    Port,
    SecurityGroup,
)
from compute.services import ports, rows, vm_networks
from compute.services.resources import requests as resources
from compute.services.resources.calls import give_up, given_up
from compute.services.resources.requests import invalid
from compute.services.vms import records
from compute.services.vms.requests import begin, check
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.errors import NotFound, ProviderError

#: How soon to ask again for a port that is on its way, in seconds.
POLL_SECONDS = 1.0
#: How long Nova may take to let go of a port.
DETACH_SECONDS = 60.0


def attach_network(
    vm: VM,
    *,
    network: str,
    actor: Actor,
    ip: str | None = None,
    expect: Expect = None,
) -> VM:
    """Ask for a VM to be on one more network, perhaps with an address of choice."""
    with transaction.atomic():
        known = _checked(vm, "attach_network", expect=expect)
        found = resources.find(
            Network.objects.all(),
            network,
            project=known.project,
            cloud=known.cloud,
            pointer="#/network",
        )
        found, vm = resources.lock_all([found, known])
        check(vm, "attach_network", expect=expect)
        queue.check_free(vm)
        ports.check_room(vm, found)
        groups = SecurityGroup.objects.filter(pk__in=vm.security_groups)
        (port,) = ports.write(
            vm,
            [found],
            # As its others have; where it has none the cloud's default one.
            list(groups) or None,
            [ports.Wish(network, ip)],
            pointer="#/ip",
        )
        return begin(
            vm,
            "attach_network",
            OperationType.VM_ATTACH_NETWORK,
            actor=actor,
            params={
                "network": str(found.pk),
                "network_name": found.name,
                "ip": ip,
                "port": str(port.pk),
            },
        )


def detach_network(vm: VM, *, network: str, actor: Actor, expect: Expect = None) -> VM:
    """Ask for a VM to leave a network, named by its name, its id or that of the port.

    A floating IP that leads there leads nowhere afterwards.
    """
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, "detach_network", expect=expect)
        queue.check_free(vm)
        port = ports.find(vm, network, pointer="#/network")
        return begin(
            vm,
            "detach_network",
            OperationType.VM_DETACH_NETWORK,
            actor=actor,
            params={
                "network": str(port.pk),
                "network_name": port.network.name if port.network else "",
                "port": str(port.pk),
            },
        )


def set_security_groups(
    vm: VM,
    *,
    security_groups: Sequence[str],
    actor: Actor,
    expect: Expect = None,
) -> VM:
    """Ask for all ports of a VM to have exactly these groups."""
    with transaction.atomic():
        known = _checked(vm, "set_security_groups", expect=expect)
        groups = ports.resolve_groups(security_groups, known.project, known.cloud)
        *groups, vm = resources.lock_all([*groups, known])
        check(vm, "set_security_groups", expect=expect)
        queue.check_free(vm)
        for group in groups:
            resources.require_active(group, pointer="#/security_groups")
        if not vm_networks.ports_of(vm).exclude(provider_id="").exists():
            raise invalid("#/security_groups", "no_port", "The VM is on no network.")
        before = {}
        # From now on, so that none of them can be deleted meanwhile.
        for port in vm_networks.ports_of(vm):
            had = port.security_groups.values_list("pk", flat=True)
            before[str(port.pk)] = list(map(str, had))
            port.security_groups.add(*groups)
        return begin(
            vm,
            "set_security_groups",
            OperationType.VM_SET_SECURITY_GROUPS,
            actor=actor,
            params={
                "security_groups": [str(group.pk) for group in groups],
                "before": before,
            },
        )


def _checked(vm: VM, method: str, *, expect: Expect) -> VM:
    """Refuse what the VM does not permit before any other refusal.

    It is not locked: that comes after what the request names, and asks again.
    """
    known = VM.objects.alive().select_related("project").filter(pk=vm.pk).first()
    if known is None:
        raise NoSuchVM("No such VM.")
    check(known, method, expect=expect)
    queue.check_free(known)
    return known


# How it is done


def perform_attach(operation: Operation, cloud: Cloud) -> Answer:
    """Create the port and give it to the server, or find out what became of that.

    Nova's answers tell little: the port says whose it is.
    """
    vm, port = _of(operation)
    if end := given_up(operation):
        return ports.delete_once_in(cloud, operation, port) or end
    try:
        if operation.call == "servers.attach_port":
            return _attached(operation, cloud, vm, port)
        again = ports.create_once_in(cloud, operation, port)
        if again is not None:
            return again

        def attach(request_id: str) -> Receipt:
            return cloud.servers.attach_port(
                vm.server_id, port.provider_id, request_id=request_id
            )

        calls.send(operation, "servers.attach_port", attach)
        return _attached(operation, cloud, vm, port)
    except ProviderError as error:
        return give_up(operation, error)


def _attached(operation: Operation, cloud: Cloud, vm: VM, port: Port) -> Answer:
    """Say from the port and from Nova's record what became of an attachment."""
    record = records.record_of(
        operation, cloud, action="attach_interface", server_id=vm.server_id
    )
    seen = cloud.ports.get(port.provider_id)
    ours = seen.device_id == vm.server_id
    if operation.receipt and ours and (record is None or record.finished):
        return Done(seen=seen)
    if record is not None and record.finished:
        if ours and not record.error:
            return Done(seen=seen)
        reason = record.error or "The port is not attached."
        return give_up(operation, OpenStackError(f"The cloud failed: {reason}"))
    # A host that died leaves a record without an end: bounded, then the port tells.
    if not calls.older_than(operation, cloud.call_timeout):
        return Again(POLL_SECONDS)
    if ours:
        return Done(seen=seen)
    if record is None and not operation.receipt:
        # It never arrived, and cannot any more.
        calls.forget(operation)
        return runner.retry(operation) or give_up(
            operation, OpenStackError("The cloud did not attach the port.")
        )
    return give_up(operation, OpenStackError("The cloud did not attach the port."))


def perform_detach(operation: Operation, cloud: Cloud) -> Answer:
    """Have Nova let go of the port, and delete it once it has."""
    vm, port = _of(operation)
    try:
        seen = cloud.ports.get(port.provider_id)
    except NotFound:
        return Done()
    if seen.device_id == vm.server_id:
        if operation.call == "servers.detach_port":
            return _still_attached(operation, cloud, vm)

        def request(request_id: str) -> Receipt:
            return cloud.servers.detach_port(
                vm.server_id, port.provider_id, request_id=request_id
            )

        calls.send(operation, "servers.detach_port", request)
        return Again(POLL_SECONDS / 2)
    return ports.delete_once_in(cloud, operation, port) or Done()


def _still_attached(operation: Operation, cloud: Cloud, vm: VM) -> Answer:
    record = records.record_of(
        operation, cloud, action="detach_interface", server_id=vm.server_id
    )
    if record is not None and record.finished and record.error:
        return Failed(OpenStackError(f"The cloud did not detach it: {record.error}"))
    if record is None and not operation.receipt:
        # Lost, perhaps before it arrived: to ask twice does no harm.
        calls.forget(operation)
        return runner.retry(operation) or Failed(
            OpenStackError("The cloud did not detach it.")
        )
    if calls.older_than(operation, max(DETACH_SECONDS, cloud.call_timeout)):
        return Failed(OpenStackError("The cloud did not detach it in time."))
    return Again(POLL_SECONDS)


def perform_set_security_groups(operation: Operation, cloud: Cloud) -> Answer:
    vm = VM.objects.get(pk=operation.target_id)
    groups = list(
        SecurityGroup.objects.filter(pk__in=operation.params["security_groups"])
    )
    wanted = {group.provider_id for group in groups}
    was_sent = bool(operation.call)
    for port in vm_networks.ports_of(vm).exclude(provider_id=""):
        # An answer may have been lost, again and again.
        if was_sent and wanted == _groups_of(cloud, port):
            continue
        ports.set_groups(cloud, operation, port, groups)
    return Done()


def _groups_of(cloud: Cloud, port: Port) -> set[str]:
    return set(cloud.ports.get(port.provider_id).security_group_ids)


def _of(operation: Operation) -> tuple[VM, Port]:
    vm = VM.objects.get(pk=operation.target_id)
    port = Port.objects.select_related("network", "vm").get(pk=operation.params["port"])
    return vm, port
