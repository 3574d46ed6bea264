"""What a router takes of a cloud: made, connected, disconnected and removed once."""

from compute.engine import calls
from compute.engine.work import Again
from compute.models import Operation, Router, Subnet
from compute.services.resources.calls import create_once, delete_once, marker_of
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.errors import Conflict, InvalidRequest, NotFound


def create_router(operation: Operation, cloud: Cloud, router: Router) -> Again | None:
    """Create a router with its gateway exactly once; return when to look again."""
    outside = router.external_network
    external_id = outside.provider_id if outside else None

    def create(request_id: str) -> Receipt:
        return cloud.routers.create(
            router.name,
            marker=marker_of(router),
            external_network_id=external_id,
            request_id=request_id,
        )

    was_tried = bool(router.provider_id) or operation.call == "routers.create"
    again = create_once(
        operation,
        cloud,
        router,
        "routers.create",
        find=cloud.routers.find,
        create=create,
    )
    if again is None and was_tried and external_id:
        # One that Neutron did not finish has no gateway.
        seen = cloud.routers.get(router.provider_id)
        if seen.external_network_id != external_id:
            set_gateway(operation, cloud, router, external_id)
    return again


def set_gateway(
    operation: Operation, cloud: Cloud, router: Router, external_id: str | None
) -> None:
    def request(request_id: str) -> Receipt:
        return cloud.routers.set_gateway(
            router.provider_id, external_id, request_id=request_id
        )

    calls.send(operation, "routers.set_gateway", request)


def connect(operation: Operation, cloud: Cloud, router: Router, subnet: Subnet) -> None:
    """Connect a subnet; one that is connected already is.

    Neutron refuses to do it twice, in words that tell of other things too, so then it is
    asked for the interface.
    """

    def request(request_id: str) -> Receipt:
        return cloud.routers.attach_subnet(
            router.provider_id, subnet.provider_id, request_id=request_id
        )

    try:
        calls.send(operation, "routers.attach_subnet", request)
    except (InvalidRequest, Conflict):
        if not _is_connected(cloud, router, subnet):
            raise


def _is_connected(cloud: Cloud, router: Router, subnet: Subnet) -> bool:
    return any(
        port.router_id == router.provider_id
        and any(ip.subnet_id == subnet.provider_id for ip in port.fixed_ips)
        for port in cloud.ports.list_all()
    )


def disconnect(
    operation: Operation, cloud: Cloud, router: Router, subnet: Subnet
) -> None:
    """Disconnect a subnet; one that is not connected need not be."""

    def request(request_id: str) -> Receipt:
        return cloud.routers.detach_subnet(
            router.provider_id, subnet.provider_id, request_id=request_id
        )

    try:
        calls.send(operation, "routers.detach_subnet", request)
    except NotFound:
        return


def delete_router(operation: Operation, cloud: Cloud, router: Router) -> Again | None:
    """Delete a router; return when to look again."""
    return delete_once(
        operation,
        cloud,
        router,
        "routers.delete",
        created_by="routers.create",
        find=cloud.routers.find,
        delete=cloud.routers.delete,
    )
