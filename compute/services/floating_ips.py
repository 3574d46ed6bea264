"""Floating IPs: what can be asked of them, and how it is done."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction

from compute.engine import calls, queue
from compute.engine.work import Again, Answer, Done, End
from compute.errors import ResourceInUse
from compute.events import Actor
from compute.expected import Expect
from compute.limits import is_id
from compute.models import (
    VM,
    FloatingIP,
    Network,
    Operation,
    OperationType,
    Port,
    Project,
    Subnet,
)
from compute.services import cidrs, routers, vm_networks
from compute.services.allowed_clouds import cloud_of
from compute.services.resources import ends, requests
from compute.services.resources.calls import (
    create_once,
    delete_once,
    give_up,
    given_up,
    marker_of,
)
from compute.services.resources.ends import Held
from compute.services.resources.requests import invalid
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.floating_ips import FloatingIP as CloudFloatingIP
from providers.errors import ProviderError


def create(
    *,
    project: Project,
    actor: Actor,
    name: str = "",
    cloud: str | None = None,
    network: str | None = None,
    vm: str | None = None,
    fixed_ip: str | None = None,
    description: str = "",
    labels: Mapping[str, str] | None = None,
) -> FloatingIP:
    """Ask for an address, and with ``vm`` for it to lead there.

    Without ``network`` it is of the cloud's one external network. Raises
    ValidationError and ResourceLimitExceeded.
    """
    with transaction.atomic():
        target = None if vm is None else _own_vm(vm, project=project)
        if cloud is None and target is not None:
            cloud = target.cloud
        alias = cloud_of(project, cloud)
        if target is not None and target.cloud != alias:
            raise invalid("#/vm", "other_cloud", f"The VM is in {target.cloud}.")
        outside = _outside(network, project=project, cloud=alias)
        floating_ip = FloatingIP(
            project=project,
            cloud=alias,
            name=name,
            description=description,
            labels=dict(labels or {}),
            network=outside,
        )
        params: dict[str, Any] = {}
        if target is not None:
            (target,) = requests.lock_all([target])
            # Before its addresses, which may be on their way.
            queue.check_free(target)
            params = _destination(floating_ip, target, fixed_ip)
        elif fixed_ip is not None:
            raise invalid("#/fixed_ip", "conflict", "Is an address of a vm; name that.")
        requests.create(
            OperationType.FLOATING_IP_CREATE,
            [floating_ip],
            actor=actor,
            related=target,
            params=params,
        )
    return floating_ip


def _outside(reference: str | None, *, project: Project, cloud: str) -> Network:
    if reference is None:
        return routers.external_network(cloud, pointer="#/network")
    return requests.find(
        Network.objects.filter(external=True),
        reference,
        project=project,
        cloud=cloud,
        pointer="#/network",
    )


def _own_vm(reference: str, *, project: Project) -> VM:
    there = VM.objects.alive().filter(project=project)
    wanted = {"pk": reference} if is_id(reference) else {"name": reference}
    found = list(there.filter(**wanted)[:2])
    if len(found) == 1:
        return found[0]
    code, detail = (
        ("ambiguous", f"Several have the name {reference}; give an id.")
        if found
        else ("does_not_exist", f"No VM {reference}.")
    )
    raise invalid("#/vm", code, detail)


def _destination(
    floating_ip: FloatingIP, vm: VM, fixed_ip: str | None
) -> dict[str, Any]:
    """Return where it shall lead: a port of a locked VM, and an address of that.

    Without ``fixed_ip`` it is the VM's only one, or the only one behind a router to the
    external network. Raises ValidationError.
    """
    places = [
        (port, ip)
        for port in vm_networks.ports_of(vm).exclude(provider_id="")
        for ip in port.fixed_ips
        if ":" not in ip["ip"]
    ]
    if fixed_ip is not None:
        wanted = str(cidrs.address(fixed_ip, pointer="#/fixed_ip"))
        places = [(port, ip) for port, ip in places if ip["ip"] == wanted]
        if not places:
            detail = f"The VM has no address {fixed_ip} of IPv4."
            raise invalid("#/fixed_ip", "does_not_exist", detail)
    if not places:
        raise invalid("#/vm", "no_address", "The VM has no address of IPv4 yet.")
    if len(places) > 1:
        behind = Subnet.objects.filter(
            router__external_network=floating_ip.network_id, deleted_at=None
        )
        reached = {str(pk) for pk in behind.values_list("pk", flat=True)}
        reachable = [(port, ip) for port, ip in places if ip["subnet"] in reached]
        if len(reachable) != 1:
            listed = ", ".join(ip["ip"] for _, ip in places)
            raise invalid("#/fixed_ip", "required", f"The VM has several: {listed}.")
        places = reachable
    port, ip = places[0]
    there = FloatingIP.objects.alive().filter(port=port, fixed_ip=ip["ip"])
    other = there.exclude(pk=floating_ip.pk).first()
    if other is not None:
        raise ResourceInUse(
            f"The floating IP {other} leads to {ip['ip']} already.",
            in_use_by=requests.shown_users([other]),
        )
    return {"port": str(port.pk), "fixed_ip": ip["ip"]}


update = requests.update


def attach(
    floating_ip: FloatingIP,
    *,
    vm: str,
    actor: Actor,
    fixed_ip: str | None = None,
    force: bool = False,
    expect: Expect = None,
) -> FloatingIP:
    """Ask for it to lead to a VM.

    Raises ResourceInUse while it leads elsewhere, unless ``force`` is given.
    """
    with transaction.atomic():
        known = FloatingIP.objects.select_related("project").get(pk=floating_ip.pk)
        target = _own_vm(vm, project=known.project)
        # First, as it is first in the order of locks: where it leads may change till then.
        (floating_ip,) = requests.lock_all([known])
        target, present = requests.lock_all([target, floating_ip.vm])
        requests.check_changeable(floating_ip, expect=expect)
        if target.cloud != floating_ip.cloud:
            raise invalid("#/vm", "other_cloud", f"The VM is in {target.cloud}.")
        queue.check_free(target)
        params = _destination(floating_ip, target, fixed_ip)
        former = [present] if present not in (None, target) else []
        if not force:
            requests.refuse_in_use(
                floating_ip, former, way_out="Detach it first, or send force: true."
            )
        requests.begin(
            OperationType.FLOATING_IP_ATTACH,
            floating_ip,
            floating_ip.change,
            actor=actor,
            related=target,
            holds=former,
            params={
                **params,
                "vm": str(target.pk),
                "vm_name": target.name,
                "force": force,
            },
        )
    return floating_ip


def detach(
    floating_ip: FloatingIP, *, actor: Actor, expect: Expect = None
) -> FloatingIP:
    """Ask for it to lead nowhere; one that does already stays as it is."""
    return _let_go(
        floating_ip,
        OperationType.FLOATING_IP_DETACH,
        actor=actor,
        expect=expect,
    )


def delete(
    floating_ip: FloatingIP, *, actor: Actor, expect: Expect = None
) -> FloatingIP:
    """Ask for the address to be given back, wherever it leads."""
    return _let_go(
        floating_ip,
        OperationType.FLOATING_IP_DELETE,
        actor=actor,
        expect=expect,
    )


def _let_go(
    floating_ip: FloatingIP, type: OperationType, *, actor: Actor, expect: Expect
) -> FloatingIP:
    with transaction.atomic():
        # First, as it is first in the order of locks: where it leads may change till then.
        (floating_ip,) = requests.lock_all([floating_ip])
        (vm,) = requests.lock_all([floating_ip.vm])
        if type == OperationType.FLOATING_IP_DELETE:
            requests.check_deletable(floating_ip, expect=expect)
            move = floating_ip.remove
        else:
            requests.check_changeable(floating_ip, expect=expect)
            move = floating_ip.change
        requests.begin(type, floating_ip, move, actor=actor, related=vm)
    return floating_ip


# How it is done


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Take an address and lead it to its VM, or give it back where that fails."""
    floating_ip = _of(operation)
    if end := given_up(operation):
        return _delete(operation, cloud, floating_ip) or end
    try:
        again = _create(operation, cloud, floating_ip)
        if again is None and "port" in operation.params:
            _attach(operation, cloud, floating_ip)
    except ProviderError as error:
        return give_up(operation, error)
    return again or _seen(cloud, floating_ip)


def _create(
    operation: Operation, cloud: Cloud, floating_ip: FloatingIP
) -> Again | None:
    def create(request_id: str) -> Receipt:
        return cloud.floating_ips.create(
            floating_ip.network.provider_id,
            marker=marker_of(floating_ip),
            request_id=request_id,
        )

    return create_once(
        operation,
        cloud,
        floating_ip,
        "floating_ips.create",
        find=cloud.floating_ips.find,
        create=create,
    )


def _attach(operation: Operation, cloud: Cloud, floating_ip: FloatingIP) -> None:
    port = Port.objects.get(pk=operation.params["port"])

    def request(request_id: str) -> Receipt:
        return cloud.floating_ips.attach(
            floating_ip.provider_id,
            port_id=port.provider_id,
            fixed_ip=operation.params["fixed_ip"],
            request_id=request_id,
        )

    calls.send(operation, "floating_ips.attach", request)


def perform_attach(operation: Operation, cloud: Cloud) -> Answer:
    floating_ip = _of(operation)
    _attach(operation, cloud, floating_ip)
    return _seen(cloud, floating_ip)


def perform_detach(operation: Operation, cloud: Cloud) -> Answer:
    floating_ip = _of(operation)

    def request(request_id: str) -> Receipt:
        return cloud.floating_ips.detach(floating_ip.provider_id, request_id=request_id)

    calls.send(operation, "floating_ips.detach", request)
    return _seen(cloud, floating_ip)


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    return _delete(operation, cloud, _of(operation)) or Done()


def _delete(
    operation: Operation, cloud: Cloud, floating_ip: FloatingIP
) -> Again | None:
    return delete_once(
        operation,
        cloud,
        floating_ip,
        "floating_ips.delete",
        created_by="floating_ips.create",
        find=cloud.floating_ips.find,
        delete=cloud.floating_ips.delete,
    )


def _of(operation: Operation) -> FloatingIP:
    return FloatingIP.objects.select_related("network").get(pk=operation.target_id)


def _seen(cloud: Cloud, floating_ip: FloatingIP) -> Done:
    return Done(seen=cloud.floating_ips.get(floating_ip.provider_id))


# How it ends


def note(floating_ip: FloatingIP, seen: CloudFloatingIP, port: Port | None) -> None:
    """Take over what the cloud says of a floating IP; ``port`` is ours, if it is one."""
    floating_ip.address = seen.address
    floating_ip.port = port
    floating_ip.vm_id = port.vm_id if port else None
    floating_ip.fixed_ip = seen.fixed_ip if port else None


def apply_seen(operation: Operation, held: Held, end: End) -> None:
    """Show where it leads, on the VMs too."""
    if not isinstance(end, Done):
        return
    (floating_ip,) = ends.of(held, FloatingIP)
    if isinstance(end.seen, CloudFloatingIP):
        port = Port.objects.alive().filter(
            cloud=floating_ip.cloud, provider_id=end.seen.port_id or "-"
        )
        note(floating_ip, end.seen, port.first())
    else:
        floating_ip.port = floating_ip.vm = floating_ip.fixed_ip = None
    floating_ip.save(update_fields=["address", "port", "vm", "fixed_ip"])
    for vm in ends.of(held, VM):
        vm_networks.show(vm)


settle = partial(ends.settle, apply=apply_seen)
