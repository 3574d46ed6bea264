"""Routers: what can be asked of them, and how it is done."""

from collections.abc import Iterable, Mapping
from functools import partial

from django.db import transaction

from compute.engine.work import Answer, Done, End
from compute.events import Actor
from compute.expected import Expect
from compute.models import (
    FloatingIP,
    Network,
    Operation,
    OperationType,
    Project,
    Router,
    Subnet,
    kinds,
)
from compute.services import router_calls, rows, subnets
from compute.services.allowed_clouds import cloud_of
from compute.services.resources import ends, requests
from compute.services.resources.ends import Held
from compute.services.resources.requests import invalid
from providers.contract.cloud import Cloud
from providers.contract.routers import Router as CloudRouter


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    cloud: str | None = None,
    external_network: str | None = None,
    description: str = "",
    labels: Mapping[str, str] | None = None,
) -> Router:
    """Ask for a router, with a gateway to an external network if one is named."""
    alias = cloud_of(project, cloud)
    with transaction.atomic():
        outside = None
        if external_network is not None:
            outside = _external(
                external_network,
                project=project,
                cloud=alias,
                pointer="#/external_network",
            )
        router = Router(
            project=project,
            cloud=alias,
            name=name,
            description=description,
            labels=dict(labels or {}),
            external_network=outside,
        )
        requests.create(OperationType.ROUTER_CREATE, [router], actor=actor)
    return router


def external_network(alias: str, *, pointer: str) -> Network:
    """Return the external network of a cloud, or raise ValidationError.

    Of several none is chosen: they lead to different places.
    """
    found = list(Network.objects.alive().filter(cloud=alias, external=True)[:2])
    if len(found) == 1:
        return found[0]
    code, detail = (
        ("ambiguous", f"The cloud {alias} has several external networks; name one.")
        if found
        else ("does_not_exist", f"The cloud {alias} has no external network.")
    )
    raise invalid(pointer, code, detail)


def _external(reference: str, *, project: Project, cloud: str, pointer: str) -> Network:
    usable = Network.objects.filter(external=True)
    return requests.find(
        usable, reference, project=project, cloud=cloud, pointer=pointer
    )


update = requests.update


def set_gateway(
    router: Router, *, network: str | None, actor: Actor, expect: Expect = None
) -> Router:
    """Ask for a gateway to an external network; ``None``: for none.

    Raises ResourceInUse while a floating IP needs the present one.
    """
    with transaction.atomic():
        router = rows.lock(router)
        requests.check_changeable(router, expect=expect)
        outside = None
        if network is not None:
            outside = _external(
                network,
                project=router.project,
                cloud=router.cloud,
                pointer="#/network",
            )
        if (outside and outside.pk) != router.external_network_id:
            _refuse_with_floating_ips(router, router.subnet_rows.all())
        requests.begin(
            OperationType.ROUTER_SET_GATEWAY,
            router,
            router.change,
            actor=actor,
            params={
                "network": str(outside.pk) if outside else None,
                "network_name": outside.name if outside else "none",
                "provider_id": outside.provider_id if outside else None,
            },
        )
    return router


def _refuse_with_floating_ips(router: Router, lost: Iterable[Subnet]) -> None:
    """Raise ResourceInUse if a floating IP reaches a VM through some subnets of it."""
    networks = {str(subnet.pk): subnet.network_id for subnet in lost}
    there = FloatingIP.objects.alive().filter(
        network=router.external_network_id, port__network__in=set(networks.values())
    )
    users = [
        floating_ip
        for floating_ip in there.select_related("port")
        if floating_ip.port
        and any(
            ip["subnet"] in networks and ip["ip"] == floating_ip.fixed_ip
            for ip in floating_ip.port.fixed_ips
        )
    ]
    requests.refuse_in_use(
        router,
        users,
        way_out="Detach it first: POST /floating-ips/{id}/actions/detach.",
    )


def attach_subnet(
    router: Router, *, subnet: str, actor: Actor, expect: Expect = None
) -> Router:
    """Ask for a subnet to be connected; it may have one router only."""
    with transaction.atomic():
        found = _own_subnet(router, subnet)
        router, found = requests.lock_all([router, found])
        requests.check_changeable(router, expect=expect)
        requests.require_active(found, pointer="#/subnet")
        if found.gateway_ip is None:
            raise invalid("#/subnet", "no_gateway", "The subnet has no gateway.")
        subnets.refuse_with_router(found)
        requests.begin(
            OperationType.ROUTER_ATTACH_SUBNET,
            router,
            router.change,
            actor=actor,
            related=found,
            params={"subnet": str(found.pk), "subnet_name": found.name},
        )
    return router


def detach_subnet(
    router: Router, *, subnet: str, actor: Actor, expect: Expect = None
) -> Router:
    """Ask for a subnet to be disconnected; ResourceInUse while a floating IP needs it."""
    with transaction.atomic():
        found = _own_subnet(router, subnet)
        router, found = requests.lock_all([router, found])
        requests.check_changeable(router, expect=expect)
        requests.require_active(found, pointer="#/subnet")
        if found.router_id != router.pk:
            raise invalid("#/subnet", "not_attached", "The router does not have it.")
        _refuse_with_floating_ips(router, [found])
        requests.begin(
            OperationType.ROUTER_DETACH_SUBNET,
            router,
            router.change,
            actor=actor,
            related=found,
            params={"subnet": str(found.pk), "subnet_name": found.name},
        )
    return router


def _own_subnet(router: Router, reference: str) -> Subnet:
    router = Router.objects.select_related("project").get(pk=router.pk)
    return requests.find(
        Subnet.objects.filter(project=router.project),
        reference,
        project=router.project,
        cloud=router.cloud,
        pointer="#/subnet",
    )


def delete(router: Router, *, actor: Actor, expect: Expect = None) -> Router:
    """Ask for a router to go; ResourceInUse while it has subnets."""
    with transaction.atomic():
        router = rows.lock(router)
        requests.check_deletable(router, expect=expect)
        requests.refuse_in_use(
            router,
            list(router.subnet_rows.filter(deleted_at=None)),
            way_out=(
                f"Detach them first: POST /routers/{router.pk}/actions/detach-subnet."
            ),
        )
        requests.begin(OperationType.ROUTER_DELETE, router, router.remove, actor=actor)
    return router


# How it is done


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    router = _of(operation)
    again = router_calls.create_router(operation, cloud, router)
    return again or _seen(cloud, router)


def perform_set_gateway(operation: Operation, cloud: Cloud) -> Answer:
    router = _of(operation)
    router_calls.set_gateway(operation, cloud, router, operation.params["provider_id"])
    return _seen(cloud, router)


def perform_attach_subnet(operation: Operation, cloud: Cloud) -> Answer:
    router = _of(operation)
    router_calls.connect(operation, cloud, router, _subnet_of(operation))
    return _seen(cloud, router)


def perform_detach_subnet(operation: Operation, cloud: Cloud) -> Answer:
    router = _of(operation)
    router_calls.disconnect(operation, cloud, router, _subnet_of(operation))
    return _seen(cloud, router)


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    return router_calls.delete_router(operation, cloud, _of(operation)) or Done()


def _of(operation: Operation) -> Router:
    return Router.objects.select_related("external_network").get(pk=operation.target_id)


def _subnet_of(operation: Operation) -> Subnet:
    subnet: Subnet = kinds.find(Subnet.kind, operation.related_id)
    return subnet


def _seen(cloud: Cloud, router: Router) -> Done:
    return Done(seen={str(router.pk): cloud.routers.get(router.provider_id)})


# How it ends


def note(router: Router, seen: CloudRouter) -> None:
    """Take over what the cloud says of a router."""
    router.external_ip = seen.external_ip
    known = router.external_network
    if (known and known.provider_id) != seen.external_network_id:
        router.external_network = Network.objects.filter(
            cloud=router.cloud, provider_id=seen.external_network_id or "-"
        ).first()


def list_subnets(router: Router, *changed: Subnet) -> None:
    """Show on a router the subnets that it has, ``changed`` as they are about to be."""
    known = {subnet.pk: subnet for subnet in router.subnet_rows.all()}
    known |= {subnet.pk: subnet for subnet in changed}
    router.subnets = [
        {"id": str(subnet.pk), "cidr": subnet.cidr}
        for subnet in sorted(known.values(), key=lambda row: (row.created_at, row.pk))
        if subnet.deleted_at is None and subnet.router_id == router.pk
    ]


def apply_seen(operation: Operation, held: Held, end: End) -> None:
    """Show what the cloud made of a router, on its subnet too."""
    if not isinstance(end, Done):
        return
    (router,) = ends.of(held, Router)
    if isinstance(end.seen, dict) and (seen := end.seen.get(str(router.pk))):
        note(router, seen)
    for subnet in ends.of(held, Subnet):
        attached = operation.type == OperationType.ROUTER_ATTACH_SUBNET
        subnet.router = router if attached else None
        list_subnets(router, subnet)


settle = partial(ends.settle, apply=apply_seen)
