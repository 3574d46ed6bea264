"""The start page: what is broken, since when, why, and who did it; it refreshes itself.

Each part is for who may see what it shows, and costs the same at any number of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from compute.admin.console import about, display, health, latest
from compute.admin.console.chart import Chart, chart, start
from compute.admin.console.operators import may
from compute.admin.console.use import use_bar
from compute.models import VM, Operation, OperationStatus, Quota, VMStatus, subjects

FAILURES = 10
QUOTAS = 5
PROJECTS = 10
MAX_REASON = 200

_target = about.column("target", "Target")


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that leads to the list of what it counts."""

    label: str
    count: int
    url: str
    tone: str


@dataclass(frozen=True, slots=True)
class Failure:
    operation: Operation
    target: SafeString | str
    reason: str
    failed: SafeString | str
    requested_by_url: str


@dataclass(frozen=True, slots=True)
class Operations:
    tiles: Sequence[Tile]
    chart: Chart
    failures: Sequence[Failure]
    failures_url: str


@dataclass(frozen=True, slots=True)
class FullQuota:
    quota: Quota
    project: SafeString
    used: str
    limit: str
    bar: SafeString | str


@dataclass(frozen=True, slots=True)
class ProjectUse:
    name: str
    url: str
    vcpus: str
    ram_gb: str
    disk_gb: str


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return what an operator may see, by template variable; ``None``: not this."""
    sees_quotas = may(request, "quota.retrieve")
    parts = {
        "vms": _vms() if may(request, "vm.list") else None,
        "services": health.services() if health.may_see_clouds(request) else None,
        "operations": _operations() if may(request, "operation.list") else None,
        "quotas": _quotas() if sees_quotas else None,
        "uses": _uses() if sees_quotas else None,
        **latest.events(request),
    }
    shows_nothing = all(part is None for part in parts.values())
    return {**parts, "shows_nothing": shows_nothing}


def view(request: HttpRequest) -> HttpResponse:
    """Answer with what the start page fetches again."""
    context = {**overview(request), "stale_clouds": health.stale_clouds(request)}
    return render(request, "admin/compute/overview.html", context)


def _vms() -> Sequence[Tile]:
    counts = VM.objects.count_by_status()
    # It is the one to look for: that there is none is news, too.
    counts.setdefault(VMStatus.ERROR, 0)
    order = (VMStatus.ERROR, *VMStatus)
    return [
        Tile(
            label=status,
            count=counts[status],
            url=_list_url("vm", status__exact=status),
            tone=display.tone(status) if counts[status] else "off",
        )
        for status in dict.fromkeys(order)
        if status in counts
    ]


def _operations() -> Operations:
    now = timezone.now()
    ended = chart(Operation.objects.ended_since(start(now)).count_by_hour(), now=now)
    live = Operation.objects.live().count()
    failures_url = _list_url("operation", status__exact="FAILED", ended="24h")
    return Operations(
        tiles=[
            Tile(
                label="under way",
                count=live,
                url=_list_url("operation", ended="no"),
                tone="busy" if live else "off",
            ),
            Tile(
                label="failed in 24 hours",
                count=ended.failed,
                url=failures_url,
                tone="bad" if ended.failed else "off",
            ),
        ],
        chart=ended,
        failures=_failures(),
        failures_url=_list_url("operation", status__exact=OperationStatus.FAILED),
    )


def _failures() -> Sequence[Failure]:
    newest = list(Operation.objects.newest_failures()[:FAILURES])
    things = subjects.find_all((row.target_kind, row.target_id) for row in newest)
    return [_failure(row, things) for row in newest]


def _failure(operation: Operation, things: Mapping[Any, Any]) -> Failure:
    operation.things = things  # type: ignore[attr-defined]  # as a list of the console has them
    error = operation.error or {}
    return Failure(
        operation=operation,
        target=_target(operation),
        reason=display.short(
            error.get("detail") or error.get("title") or display.NONE, MAX_REASON
        ),
        failed=display.ago(operation.finished_at),
        requested_by_url=_list_url("operation", q=operation.requested_by),
    )


def _quotas() -> Sequence[FullQuota]:
    fullest = Quota.objects.fullest().select_related("project")
    return [
        FullQuota(
            quota=quota,
            project=display.link(quota.project),
            used=f"{quota.used:,}",
            limit=f"{quota.limit:,}",
            bar=use_bar(quota),
        )
        for quota in fullest[:QUOTAS]
    ]


def _uses() -> Sequence[ProjectUse]:
    return [
        ProjectUse(
            name=row["project__name"],
            url=reverse("admin:compute_project_change", args=[row["project_id"]]),
            vcpus=f"{row['vcpus']:,}",
            ram_gb=f"{row['ram_mb'] / 1024:,.1f}",
            disk_gb=f"{row['disk_gb']:,}",
        )
        for row in Quota.objects.compute_use()[:PROJECTS]
    ]


def _list_url(model: str, **parameters: str) -> str:
    return f"{reverse(f'admin:compute_{model}_changelist')}?{urlencode(parameters)}"
