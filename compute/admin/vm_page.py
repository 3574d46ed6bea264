"""What the page of a VM shows beside its actions: facts, tables and its consoles."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from compute.admin.console import display
from compute.admin.console.operators import actor_of, may, refusal
from compute.admin.console.pages import Link, Table
from compute.admin.sizes import size
from compute.errors import Problem
from compute.models import VM, CloudService
from compute.models.cloud import COMPUTE, confirmed_at
from compute.services import vms

#: Lines of the console log that its tab shows.
LOG_LINES = 200
SNAPSHOTS = 20


def links(request: HttpRequest, vm: VM) -> Iterator[Link]:
    if may(request, "vm.create"):
        url = reverse("admin:compute_vm_add")
        yield Link("Create another like this", f"{url}?like={vm.pk}")
    yield Link("In the API", display.api_url(vm))


def facts(vm: VM) -> SafeString:
    """Return in one line what a VM is, where it is and how it is reached."""
    ips = format_html_join(
        ", ", "{}", ((display.copyable(address["ip"]),) for address in vm.addresses)
    )
    return format_html(
        '{} {} <span class="quiet">in</span> {} <span class="quiet">on</span> {}{}',
        display.badge(vm.status),
        size(vm.vcpus, vm.ram_mb, vm.disk_gb),
        display.link(vm.project),
        vm.cloud,
        format_html(' <span class="quiet">at</span> {}', ips) if ips else "",
    )


def observed(vm: VM) -> SafeString | str:
    """Return what the cloud last said of its status, and when."""
    if not vm.observed_status:
        return display.NONE
    row = CloudService.objects.filter(cloud=vm.cloud, service=COMPUTE).first()
    time = confirmed_at(vm.observed_at, row.observed_at if row else None)
    return format_html("{}, {}", vm.observed_status, display.ago(time))


def notes(vm: VM, *, can_delete: bool) -> Iterator[str]:
    """Return what limits what can be asked of it."""
    if vm.lacks_server:
        yield "It has no server in the cloud: it can only be deleted."
    elif vm.takes_only_delete:
        yield "Its server was never launched: it can only be deleted."
    if can_delete and vm.delete_protection:
        yield "Protected from deletion: clear “Delete protection” under Edit first."


def snapshots(vm: VM) -> Table:
    """Return its newest snapshots."""
    newest = vm.snapshots.filter(deleted_at=None).order_by("-created_at")
    rows = list(newest[: SNAPSHOTS + 1])
    all_of_them = reverse("admin:compute_snapshot_changelist")
    return Table(
        title="Snapshots",
        columns=("Snapshot", "Status", "Created"),
        rows=[
            [display.link(row), display.badge(row.status), display.ago(row.created_at)]
            for row in rows[:SNAPSHOTS]
        ],
        nothing="No snapshots.",
        note=format_html(
            '<a href="{}?vm__id__exact={}">All its snapshots</a>', all_of_them, vm.pk
        ),
    )


def console(request: HttpRequest, vm: VM, *, url: str) -> SafeString:
    """Return the end of its console log, and a way to its screen.

    Asks the cloud, which has five seconds.
    """
    context: dict[str, object] = {"lines": LOG_LINES, "url": url}
    try:
        context["log"] = vms.console_log(vm, lines=LOG_LINES, actor=actor_of(request))
    except Problem as problem:
        context["refusal"] = refusal(problem)
    context["can_open"] = may(request, "vm.console") and vm.deleted_at is None
    return render_to_string("admin/compute/includes/console.html", context, request)
