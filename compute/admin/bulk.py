"""One action for many VMs: what it would do is shown first, then it is asked of each."""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from compute.admin.console import display, lists
from compute.admin.console.display import page_url
from compute.admin.console.operators import actor_of, may, refused, require
from compute.admin.console.parameters import UnknownParameterError
from compute.limits import is_id
from compute.models import VM, Batch, BatchAction, BatchItem
from compute.services import batches
from compute.services.batches import ASKS, Shown

#: Names that a page shows of many.
NAMES = 20
#: A VM as the form has it: its id and its version.
_SHOWN = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})")
#: More of it than any batch is long.
_MAX_LENGTH = 64

ListAction = Callable[[Any, HttpRequest, QuerySet[VM]], HttpResponse]


@dataclass(frozen=True, slots=True)
class Names:
    """The first of some VMs, and how many more there are."""

    count: int
    first: SafeString | str
    more: int
    #: What they have in common.
    reason: str = ""


def list_action(action: BatchAction) -> ListAction:
    """Return what a list of VMs does for an action: it shows the preview."""

    @admin.action(description=action.label)
    def ask(
        model_admin: Any, request: HttpRequest, queryset: QuerySet[VM]
    ) -> HttpResponse:
        return preview(request, queryset, action, back=request.get_full_path())

    return ask


def action_of(name: str) -> BatchAction:
    """Return what a list action asks: ``reboot_hard_all``."""
    return BatchAction(name.removesuffix("_all").replace("_", "-"))


def preview(
    request: HttpRequest, queryset: QuerySet[VM], action: BatchAction, *, back: str
) -> HttpResponse:
    """Show what an action would do with some VMs. Nothing is done yet."""
    limit = lists.MAX_SELECTED
    joined = queryset.select_related(None).select_related("project", "operation")
    rows = list(joined.defer("user_data", "operation__params")[: limit + 1])
    total = f"{limit:,}"
    if is_cut := len(rows) > limit:
        pages = lists.BoundedPaginator(queryset, limit)
        total = f"{'More than ' if pages.is_cut else ''}{pages.count:,}"
    rows = rows[:limit]
    if not rows:
        messages.warning(request, "Nothing was done: the selected VMs no longer exist.")
        return redirect(back)
    obstacles: dict[str, list[VM]] = {}
    for vm in rows:
        obstacles.setdefault(batches.obstacle(vm, action), []).append(vm)
    fit = obstacles.pop("", [])
    context = {
        **admin.site.each_context(request),
        "title": f"{action.of(len(rows))}?",
        "opts": VM._meta,
        "note": ASKS[action].note,
        "is_danger": ASKS[action].action.is_destructive or bool(ASKS[action].note),
        "total": total if is_cut else "",
        "limit": f"{limit:,}",
        "fit": _names(fit),
        "projects": Counter(str(vm.project) for vm in rows).most_common(),
        "statuses": [
            (display.badge(status), count)
            for status, count in Counter(vm.status for vm in rows).most_common()
        ],
        "refused": [_names(vms, reason) for reason, vms in obstacles.items()],
        "refused_count": len(rows) - len(fit),
        "order": action.of(len(fit)),
        "url": reverse("admin:compute_vm_bulk", args=[action]),
        "batch": uuid.uuid4(),
        "vms": ",".join(f"{vm.pk}:{vm.version}" for vm in fit),
        "back": back,
    }
    return render(request, "admin/compute/bulk.html", context)


def _names(rows: Sequence[VM], reason: str = "") -> Names:
    return Names(
        count=len(rows),
        first=display.listed(map(display.link, rows[:NAMES])),
        more=max(0, len(rows) - NAMES),
        reason=reason,
    )


def confirm(request: HttpRequest, action: str) -> HttpResponse:
    """Do what a preview showed."""
    if action not in BatchAction.values:
        raise Http404
    require(request, "vm.list")
    require(request, ASKS[action].action.name)
    if request.method != "POST":  # as after a login in between
        messages.info(request, "Nothing was done: choose the VMs again.")
        return redirect("admin:compute_vm_changelist")
    id, shown = _read(request)
    batch = batches.begin(id, action, shown, actor=actor_of(request))
    if batch is None:
        messages.info(request, "This was confirmed before. Nothing was done again.")
        return redirect(_after(request, id))
    return go_on(request, batch)


def go_on(request: HttpRequest, batch: Batch) -> HttpResponse:
    """Ask what a batch has not asked yet, and say what became of it."""
    items = batches.go_on(
        batch,
        actor=actor_of(request),
        refused=lambda problem, vm: refused(
            request, problem, project_id=vm.project_id, target=vm
        ),
    )
    url = _after(request, batch.pk)
    numbers = batches.numbers(batch)
    text = format_html('<a href="{}">{}</a>: {}.', url, batch, numbers)
    messages.add_message(
        request, messages.SUCCESS if numbers.accepted else messages.WARNING, text
    )
    if items:
        messages.warning(request, _refusals(items))
    return redirect(url)


def _after(request: HttpRequest, id: uuid.UUID) -> str:
    """Return where a batch is shown, or the list for who may not see it."""
    if may(request, "operation.list"):
        return reverse("admin:compute_batch_change", args=[id])
    return reverse("admin:compute_vm_changelist")


def _refusals(items: Sequence[BatchItem]) -> SafeString:
    rows = format_html_join(
        "",
        '<div><a href="{}">{}</a>: {}</div>',
        ((page_url(item.vm), item.vm, item.refusal) for item in items[:NAMES]),
    )
    more = len(items) - NAMES
    rest = f"And {more} more." if more > 0 else ""
    return format_html(
        'Refused by {}:<div class="answers">{}{}</div>', len(items), rows, rest
    )


def _read(request: HttpRequest) -> tuple[uuid.UUID, list[Shown]]:
    """Return the id of a new batch and its VMs; raise UnknownParameterError."""
    id, text = request.POST.get("batch", ""), request.POST.get("vms", "")
    limit = lists.MAX_SELECTED
    words = text.split(",") if len(text) <= limit * _MAX_LENGTH else []
    if len(words) > limit or not words:
        raise UnknownParameterError(f"One batch takes at most {limit} VMs.")
    matches = [_SHOWN.fullmatch(word) for word in words]
    if not is_id(id) or not all(matches):
        raise UnknownParameterError("This form is not one of a preview.")
    versions = {uuid.UUID(match[1]): int(match[2]) for match in matches if match}
    if VM.objects.filter(pk__in=versions).count() != len(versions):
        raise UnknownParameterError("This form names VMs that do not exist.")
    return uuid.UUID(id), [Shown(*pair) for pair in versions.items()]
