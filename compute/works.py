"""What is done for each type of operation, and watched in each service: the one list."""

from collections.abc import Mapping
from functools import partial

from compute.engine.work import Watch, Work
from compute.models import OperationType
from compute.models.cloud import COMPUTE, IMAGE, NETWORK
from compute.services import (
    floating_ips,
    network_pass,
    networks,
    routers,
    security_groups,
    subnets,
)
from compute.services.resources import ends as resource_ends
from compute.services.snapshots import ends as snapshot_ends
from compute.services.snapshots import images
from compute.services.vms import build, drift, ends, interfaces, resizes, verbs
from compute.services.vms.observed import in_listing

_of_vm = partial(
    Work,
    service=COMPUTE,
    look=in_listing(verbs.look),
    settle=ends.settle,
    refused=verbs.refused,
    lock=ends.lock,
)
_of_interface = partial(
    Work,
    service=COMPUTE,
    settle=ends.settle,
    refused=verbs.refused,
    lock=ends.lock,
)
_of_resource = partial(
    Work,
    service=NETWORK,
    refused=resource_ends.refused,
    lock=resource_ends.lock,
)
_of_network = partial(_of_resource, settle=networks.settle)
_of_subnet = partial(_of_resource, settle=subnets.settle)
_of_router = partial(_of_resource, settle=routers.settle)
_of_floating_ip = partial(_of_resource, settle=floating_ips.settle)
_of_group = partial(_of_resource, settle=security_groups.settle)
_of_snapshot = partial(
    Work, service=COMPUTE, settle=snapshot_ends.settle, lock=snapshot_ends.lock
)

WORKS: Mapping[str, Work] = {
    OperationType.VM_CREATE: _of_vm(
        perform=build.perform_create,
        look=in_listing(build.look_create),
        undoable=True,
    ),
    **dict.fromkeys(verbs.PLAIN, _of_vm(perform=verbs.perform_plain)),
    OperationType.VM_REBOOT: _of_vm(perform=verbs.perform_reboot),
    OperationType.VM_RESIZE: _of_vm(
        perform=resizes.perform_resize, look=in_listing(resizes.look)
    ),
    OperationType.VM_REBUILD: _of_vm(perform=verbs.perform_rebuild),
    OperationType.VM_RESTORE: _of_vm(perform=verbs.perform_rebuild),
    OperationType.VM_ATTACH_NETWORK: _of_interface(perform=interfaces.perform_attach),
    OperationType.VM_DETACH_NETWORK: _of_interface(perform=interfaces.perform_detach),
    OperationType.VM_SET_SECURITY_GROUPS: _of_interface(
        perform=interfaces.perform_set_security_groups
    ),
    OperationType.VM_DELETE: _of_vm(
        perform=build.perform_delete, look=in_listing(build.look_delete)
    ),
    OperationType.SNAPSHOT_CREATE: _of_snapshot(
        perform=images.perform_create, look=in_listing(images.look_create)
    ),
    OperationType.SNAPSHOT_DELETE: _of_snapshot(perform=images.perform_delete),
    OperationType.NETWORK_CREATE: _of_network(
        perform=networks.perform_create, undoable=True
    ),
    OperationType.NETWORK_DELETE: _of_network(perform=networks.perform_delete),
    OperationType.SUBNET_CREATE: _of_subnet(perform=subnets.perform_create),
    OperationType.SUBNET_CONFIGURE: _of_subnet(perform=subnets.perform_configure),
    OperationType.SUBNET_DELETE: _of_subnet(perform=subnets.perform_delete),
    OperationType.ROUTER_CREATE: _of_router(perform=routers.perform_create),
    OperationType.ROUTER_ATTACH_SUBNET: _of_router(
        perform=routers.perform_attach_subnet
    ),
    OperationType.ROUTER_DETACH_SUBNET: _of_router(
        perform=routers.perform_detach_subnet
    ),
    OperationType.ROUTER_SET_GATEWAY: _of_router(perform=routers.perform_set_gateway),
    OperationType.ROUTER_DELETE: _of_router(perform=routers.perform_delete),
    OperationType.FLOATING_IP_CREATE: _of_floating_ip(
        perform=floating_ips.perform_create, undoable=True
    ),
    OperationType.FLOATING_IP_ATTACH: _of_floating_ip(
        perform=floating_ips.perform_attach
    ),
    OperationType.FLOATING_IP_DETACH: _of_floating_ip(
        perform=floating_ips.perform_detach
    ),
    OperationType.FLOATING_IP_DELETE: _of_floating_ip(
        perform=floating_ips.perform_delete
    ),
    OperationType.SECURITY_GROUP_CREATE: _of_group(
        perform=security_groups.perform_create, undoable=True
    ),
    OperationType.SECURITY_GROUP_SET_RULES: _of_group(
        perform=security_groups.perform_set_rules
    ),
    OperationType.SECURITY_GROUP_DELETE: _of_group(
        perform=security_groups.perform_delete
    ),
    OperationType.SECURITY_GROUP_RULE_CREATE: _of_group(
        perform=security_groups.perform_create_rule
    ),
    OperationType.SECURITY_GROUP_RULE_DELETE: _of_group(
        perform=security_groups.perform_delete_rule
    ),
}

WATCHES = (
    Watch(service=COMPUTE, list=drift.list_servers, follow=drift.follow_servers),
    Watch(
        service=IMAGE,
        list=images.list_images,
        follow=images.remove_leftovers,
        lists_changes=False,
        is_followed=False,
    ),
    Watch(
        service=NETWORK,
        list=network_pass.list_all,
        follow=network_pass.follow,
        lists_changes=False,
    ),
)
