"""The copy of a VM's key that its cloud needs while it makes the server.

Nova takes a key by the name of a keypair, and copies it into the server when it accepts
the create. Keypairs are few (100 a user by default) and we are one user of each cloud,
so a copy is named after its VM and goes as soon as there is a server.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator
from functools import partial

from compute import clouds
from compute.engine import calls
from compute.models import VM, Operation, OperationType
from compute.services.leftovers import Leftover, chunks, owner_id
from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound, ProviderError, QuotaExceeded

log = logging.getLogger(__name__)

PREFIX = "vm-"


def lend(operation: Operation, cloud: Cloud, vm: VM) -> str | None:
    """Give the cloud a copy of the VM's key, if it has one; return the copy's name.

    May be repeated. Raises ProviderError.
    """
    if vm.keypair is None:
        return None
    name = f"{PREFIX}{vm.pk}"
    request_id = calls.request_id(operation)
    try:
        cloud.keypairs.create(name, vm.keypair.public_key, request_id=request_id)
    except Conflict:
        pass  # An attempt before this one made it.
    except QuotaExceeded as full:
        # Nova looks at its quota before it looks for the name.
        try:
            cloud.keypairs.get(name)
        except NotFound:
            raise full from None
    return name


def take_back(operation: Operation, cloud: Cloud, vm: VM) -> None:
    """Remove the copy: the server has the key. If that fails now a pass does it."""
    if vm.keypair_id is None:
        return
    request_id = calls.request_id(operation)
    try:
        cloud.keypairs.delete(f"{PREFIX}{vm.pk}", request_id=request_id)
    except NotFound:
        pass
    except ProviderError as error:
        log.warning("The copy of the key of VM %s was not removed: %s", vm.pk, error)


def are_lent(alias: str) -> bool:
    """Whether a cloud may have copies at all, so that looking for them is worth a call."""
    return VM.objects.filter(cloud=alias, keypair__isnull=False).exists()


def leftover_copies(alias: str) -> Iterator[Leftover]:
    """Find the copies that no create under way needs any more."""
    cloud = clouds.get(alias)
    copies = [
        (owner, keypair.name)
        for keypair in cloud.keypairs.list_all()
        if keypair.name.startswith(PREFIX)
        and (owner := owner_id(keypair.name.removeprefix(PREFIX)))
    ]
    for chunk in chunks(copies):
        vms = VM.objects.filter(cloud=alias).in_bulk([owner for owner, _ in chunk])
        building = _building(vms)
        for owner, name in chunk:
            if owner in vms and owner not in building:
                delete = partial(cloud.keypairs.delete, name)
                yield Leftover("keypair", name, delete, vms[owner])


def _building(vms: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    creating = Operation.objects.live().filter(
        type=OperationType.VM_CREATE, target_kind=VM.kind, target_id__in=list(vms)
    )
    return set(creating.values_list("target_id", flat=True))
