"""Import: adopt servers that exist in a cloud and not here.

Nothing is done in the cloud, so there is no operation: an imported VM is simply one
that we know from now on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from compute import clouds, events
from compute.errors import NotFound, ValidationError
from compute.events import SYSTEM
from compute.limits import is_id
from compute.models import VM, Flavor, Image, Project, VMStatus
from compute.models.kinds import held_by
from compute.services import allowed_clouds, catalog, fields, quotas, rows
from compute.services.vms import observed
from providers.contract.servers import Server
from providers.errors import ProviderError

#: Servers looked up at a time.
CHUNK = 500


class CannotImportError(Exception):
    """The cloud does not list its servers now, or the project may not use it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one server of the cloud."""

    server: Server
    #: Why it was left alone; empty: it was adopted, or would be.
    skipped: str = ""


def import_servers(
    alias: str, project: Project, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Adopt every server of a cloud that is not here yet, oldest first.

    Says for each server what became of it, and may be repeated. ``dry_run`` says the
    same and writes nothing. Raises `CannotImportError` before it adopts anything.
    """
    if alias not in allowed_clouds.usable_by(project):
        raise CannotImportError(f"The project {project} may not use the cloud {alias}.")
    try:
        servers = clouds.get(alias).servers.list_all()
        if not dry_run:
            catalog.refresh(alias)
    except ProviderError as error:
        raise CannotImportError(f"The cloud {alias} cannot be read: {error}") from error
    flavors = {row.name: row for row in Flavor.objects.offered().filter(cloud=alias)}
    usable = Image.objects.filter(Q(project=None) | Q(project=project), cloud=alias)
    images = {row.provider_id: row for row in usable}
    servers.reverse()
    for start in range(0, len(servers), CHUNK):
        chunk = servers[start : start + CHUNK]
        known, owned = _known(alias, chunk), _owned(chunk)
        for server in chunk:
            reason = _why_not(server, known, owned)
            if not reason and not dry_run:
                reason = _adopt(alias, project, server, flavors, images)
            yield Imported(server, reason)


def _known(alias: str, servers: Sequence[Server]) -> dict[str, str]:
    """Return the servers that a VM has or had -> why not to import them."""
    vms = VM.objects.filter(cloud=alias, server_id__in=[s.id for s in servers])
    rows = vms.values_list("server_id", "pk", "project__name")
    return {
        server_id: f"VM {pk} of project {project} has it"
        for server_id, pk, project in rows
    }


def _owned(servers: Sequence[Server]) -> set[str]:
    """Return the tags that are ids of our VMs: those servers were made by us."""
    tags = {tag for server in servers for tag in server.tags if is_id(tag)}
    ids = VM.objects.filter(pk__in=tags).values_list("pk", flat=True)
    return {str(pk) for pk in ids}


def _why_not(server: Server, known: Mapping[str, str], owned: set[str]) -> str:
    if server.id in known:
        return known[server.id]
    if ours := owned & server.tags:
        return f"it was made for VM {ours.pop()}"
    if observed.resting_status(server) is None:
        doing = f", {server.task_state}" if server.task_state else ""
        return f"it is not at rest ({server.status}{doing})"
    try:
        fields.check(VM(name=server.name), "name")
    except ValidationError as error:
        return f"its name is not valid for a VM: {error.detail}"
    return ""


def _adopt(
    alias: str,
    project: Project,
    server: Server,
    flavors: Mapping[str, Flavor],
    images: Mapping[str, Image],
) -> str:
    """Make the VM of a server; return why not if somebody else just did."""
    image = images.get(server.image_id or "")
    status = VMStatus(observed.RESTING_STATUSES[server.status])
    now = timezone.now()
    vm: VM = VM(
        project=project,
        cloud=alias,
        name=server.name,
        status=status,
        server_id=server.id,
        flavor_name=server.flavor_name,
        flavor=flavors.get(server.flavor_name),
        image_name=image.name if image else server.image_id or "",
        image=image,
        keypair_name=server.key_name or "",
        vcpus=server.vcpus,
        ram_mb=server.ram_mb,
        disk_gb=server.disk_gb,
        # Lists rely on it that nothing changes before it is created; the cloud's clock
        # may be ahead.
        created_at=min(server.created_at, now),
        updated_at=now,
    )
    observed.note(vm, server)
    if status == VMStatus.ERROR:
        vm.error = observed.fault_problem(server).document()
    try:
        with transaction.atomic():
            vm.save(force_insert=True)
            # It is there, whatever the limit says.
            quotas.count(project.pk, held_by(vm))
            rows.lock(project)
            events.record(
                "vm.imported",
                actor=SYSTEM,
                subject=vm,
                details={"server_id": server.id},
            )
    except NotFound:
        return "its project was deleted meanwhile"
    except IntegrityError:
        # The unique constraint: another import was faster.
        return _known(alias, [server])[server.id]
    return ""
