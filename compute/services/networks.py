"""Networks: what can be asked of them, and how it is done.

One that is asked for with a subnet, or with a way to the internet, is made in several
calls. When one of them fails, or the create is cancelled, what was made is undone.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction

from compute.engine import queue
from compute.engine.work import Again, Answer, Done, End
from compute.events import Actor
from compute.expected import Expect
from compute.models import (
    Network,
    Operation,
    OperationType,
    Port,
    Project,
    Router,
    Subnet,
)
from compute.models.owned import Owned
from compute.services import router_calls, routers, subnets
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
from providers.contract.networks import Network as CloudNetwork
from providers.errors import ProviderError


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    cloud: str | None = None,
    cidr: str | None = None,
    internet: bool = False,
    description: str = "",
    labels: Mapping[str, str] | None = None,
) -> Network:
    """Ask for a network; with ``cidr`` a subnet too, with ``internet`` also a router.

    Raises ValidationError for a range that cannot be used, and for a way to the internet
    without a subnet or where the cloud has no external network, or several;
    ResourceLimitExceeded when the project's quotas have no room.
    """
    alias = cloud_of(project, cloud)
    if internet and cidr is None:
        detail = "A way to the internet needs a subnet."
        raise invalid("#/cidr", "required", detail)
    with transaction.atomic():
        network = Network(
            project=project,
            cloud=alias,
            name=name,
            description=description,
            labels=dict(labels or {}),
        )
        made: list[Any] = [network]
        params = {}
        if cidr is not None:
            subnet = subnets.build(network, project=project, cidr=cidr, name=name)
            made.append(subnet)
            params["subnet"] = str(subnet.pk)
        if internet:
            outside = routers.external_network(alias, pointer="#/internet")
            router = Router(
                project=project, cloud=alias, name=name, external_network=outside
            )
            made.append(router)
            params["router"] = str(router.pk)
        requests.create(OperationType.NETWORK_CREATE, made, actor=actor, params=params)
    return network


update = requests.update


def delete(network: Network, *, actor: Actor, expect: Expect = None) -> Network:
    """Ask for a network and its subnets to go.

    Raises ResourceInUse while a VM or a router is on it.
    """
    with transaction.atomic():
        # First, as it is first in the order of locks: no subnet comes after it.
        (network,) = requests.lock_all([network])
        own = requests.lock_all(network.subnet_rows.filter(deleted_at=None))
        requests.check_deletable(network, expect=expect)
        _refuse_in_use(network)
        for subnet in own:
            queue.check_free(subnet)
            subnet.remove()
        requests.begin(
            OperationType.NETWORK_DELETE,
            network,
            network.remove,
            actor=actor,
            holds=own,
        )
    return network


def _refuse_in_use(network: Network) -> None:
    ports = Port.objects.alive().filter(network=network).select_related("vm")
    requests.refuse_in_use(
        network,
        list({port.vm_id: port.vm for port in ports}.values()),
        way_out="Detach them first: POST /vms/{id}/actions/detach-network.",
    )
    there = Router.objects.alive().filter(subnet_rows__network=network)
    attached: list[Owned] = [*there.distinct()]
    if attached:
        way_out = subnets.DETACH.format(attached[0].pk)
        requests.refuse_in_use(network, attached, way_out=way_out)


# How it is done


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Make the network and what was asked for with it, or undo what was made."""
    network = Network.objects.get(pk=operation.target_id)
    subnet = _made_with(operation, Subnet, "subnet")
    router = _made_with(operation, Router, "router")
    if end := given_up(operation):
        return _undo(operation, cloud, network, subnet, router) or end
    try:
        return _make(operation, cloud, network, subnet, router)
    except ProviderError as error:
        return give_up(operation, error)


def _made_with(operation: Operation, model: Any, name: str) -> Any:
    id = operation.params.get(name)
    return model.objects.get(pk=id) if id else None


def _make(
    operation: Operation,
    cloud: Cloud,
    network: Network,
    subnet: Subnet | None,
    router: Router | None,
) -> Answer:
    def create(request_id: str) -> Receipt:
        return cloud.networks.create(
            network.name, marker=marker_of(network), request_id=request_id
        )

    again = create_once(
        operation,
        cloud,
        network,
        "networks.create",
        find=cloud.networks.find,
        create=create,
    )
    if again is None and subnet is not None:
        again = subnets.create_subnet(operation, cloud, subnet, network)
    if again is None and router is not None:
        again = router_calls.create_router(operation, cloud, router)
    if again is not None:
        return again
    if subnet is not None and router is not None:
        router_calls.connect(operation, cloud, router, subnet)
    seen: dict[str, Any] = {
        str(network.pk): thing
        for thing in cloud.networks.find(marker=marker_of(network))
        if thing.id == network.provider_id
    }
    if subnet is not None:
        seen |= subnets.seen_by(cloud, subnet)
    if router is not None:
        seen[str(router.pk)] = cloud.routers.get(router.provider_id)
    return Done(seen=seen)


def _undo(
    operation: Operation,
    cloud: Cloud,
    network: Network,
    subnet: Subnet | None,
    router: Router | None,
) -> Again | None:
    if router is not None:
        if router.provider_id and subnet is not None and subnet.provider_id:
            router_calls.disconnect(operation, cloud, router, subnet)
        again = router_calls.delete_router(operation, cloud, router)
        if again is not None:
            return again
    return _delete(operation, cloud, network)


def _delete(operation: Operation, cloud: Cloud, network: Network) -> Again | None:
    # Its subnets go with it.
    return delete_once(
        operation,
        cloud,
        network,
        "networks.delete",
        created_by="networks.create",
        find=cloud.networks.find,
        delete=cloud.networks.delete,
    )


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    network = Network.objects.get(pk=operation.target_id)
    return _delete(operation, cloud, network) or Done()


# How it ends


def note(network: Network, seen: CloudNetwork) -> None:
    """Take over what the cloud says of a network."""
    network.shared, network.external = seen.shared, seen.external
    network.default, network.mtu = seen.default, seen.mtu


def apply_seen(operation: Operation, held: Held, end: End) -> None:
    """Show what the cloud made, on each of the things that belong together."""
    (network,) = ends.of(held, Network)
    own = ends.of(held, Subnet)
    router = next(iter(ends.of(held, Router)), None)
    seen = end.seen if isinstance(end, Done) and isinstance(end.seen, dict) else {}
    for subnet in own:
        if str(subnet.pk) in seen:
            subnets.note(subnet, seen[str(subnet.pk)])
            subnet.router = router
    if router is not None and str(router.pk) in seen:
        routers.note(router, seen[str(router.pk)])
        routers.list_subnets(router, *own)
    if str(network.pk) in seen:
        note(network, seen[str(network.pk)])
    subnets.list_on(network, *own)


settle = partial(ends.settle, apply=apply_seen)
