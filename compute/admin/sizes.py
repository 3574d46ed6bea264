"""Flavors and images to choose from, with their sizes, and what of it a quota allows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from compute import clouds
from compute.admin.console.forms import SuggestingInput
from compute.admin.offers import SUGGESTIONS
from compute.models import VM, Flavor, Image, Project, Quota, Resource

#: Choices of a list at most; of more, names are typed.
MAX_CHOICES = 300

Change = Mapping[Resource, int]


def size(vcpus: int, ram_mb: int, disk_gb: int) -> str:
    """Return a size as people say it."""
    return f"{vcpus} vCPU, {ram_mb / 1024:g} GB RAM, {disk_gb} GB disk"


def flavors(rows: QuerySet[Flavor], *, beyond: Mapping[str, str] = {}) -> forms.Widget:
    """Return a list of flavors to choose from; ``beyond``: name -> why it cannot be."""
    return _choices(rows, lambda row: size(row.vcpus, row.ram_mb, row.disk_gb), beyond)


def images(rows: QuerySet[Image]) -> forms.Widget:
    """Return a list of images to choose from."""
    return _choices(rows, _needs, {})


def _needs(image: Image) -> str:
    if not image.min_disk_gb and not image.min_ram_mb:
        return "any flavor"
    return f"needs {image.min_ram_mb / 1024:g} GB RAM, {image.min_disk_gb} GB disk"


def _choices(
    rows: QuerySet[Any], describe: Any, beyond: Mapping[str, str]
) -> forms.Widget:
    """Return a list by names, or by ids where a cloud has a name more than once.

    A name that several clouds have alike is one choice: which cloud is a field of its
    own.
    """
    offered = list(rows[: MAX_CHOICES + 1])
    if len(offered) > MAX_CHOICES:
        return SuggestingInput(
            list(dict.fromkeys(row.name for row in offered))[:SUGGESTIONS]
        )
    times = Counter((row.cloud, row.name) for row in offered)
    where: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in offered:
        is_unique = times[row.cloud, row.name] == 1
        value = row.name if is_unique else str(row.pk)
        where[value, f"{row.name}: {describe(row)}"].append(row.cloud)
    names_clouds = len(clouds.aliases()) > 1
    choices = [("", "---------")]
    for (value, text), aliases in where.items():
        at = f" ({', '.join(sorted(aliases))})" if names_clouds else ""
        reason = f", {beyond[value]}" if value in beyond else ""
        choices.append((value, f"{text}{at}{reason}"))
    return _Select(choices, disabled=frozenset(beyond))


class _Select(forms.Select):
    """A list of which some cannot be chosen."""

    def __init__(self, choices: Any, *, disabled: frozenset[str]) -> None:
        super().__init__(choices=choices)
        self.disabled = disabled

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        if option["value"] in self.disabled:
            option["attrs"]["disabled"] = True
        return option


# Quotas


class QuotaLine:
    """What a quota would be."""

    def __init__(self, quota: Quota, more: int) -> None:
        self.resource = quota.get_resource_display()
        self.used = f"{quota.used:,}"
        self.more = f"{more:+,}"
        self.limit = "unlimited" if quota.limit is None else f"{quota.limit:,}"
        self.after = f"{quota.used + more:,}"
        self.is_beyond = (
            more > 0 and quota.limit is not None and quota.used + more > quota.limit
        )


def preview(project: Project, change: Change) -> SafeString:
    """Return what would become of a project's quotas, as a table."""
    context = {"project": project, "lines": _lines(_quotas(project), change)}
    return render_to_string("admin/compute/includes/preview.html", context)


def _quotas(project: Project) -> Mapping[str, Quota]:
    return {row.resource: row for row in Quota.objects.of(project)[project.pk]}


def _lines(quotas: Mapping[str, Quota], change: Change) -> list[QuotaLine]:
    return [QuotaLine(quotas[resource], more) for resource, more in change.items()]


def of_new(flavor: Flavor) -> Change:
    """Return what a new VM takes."""
    return {Resource.VMS: 1, **_compute(flavor.vcpus, flavor.ram_mb, flavor.disk_gb)}


def of_resize(vm: VM, flavor: Flavor) -> Change:
    """Return what a resize adds, or gives back."""
    return _compute(
        flavor.vcpus - vm.vcpus,
        flavor.ram_mb - vm.ram_mb,
        flavor.disk_gb - vm.disk_gb,
    )


def _compute(vcpus: int, ram_mb: int, disk_gb: int) -> dict[Resource, int]:
    return {
        Resource.VCPUS: vcpus,
        Resource.RAM_MB: ram_mb,
        Resource.DISK_GB: disk_gb,
    }


def beyond_quota(vm: VM, rows: Iterable[Flavor]) -> dict[str, str]:
    """Return name and id of the flavors that a VM has no room for, with the reason."""
    quotas = _quotas(vm.project)
    reasons = {}
    for flavor in rows:
        lines = _lines(quotas, of_resize(vm, flavor))
        full = [line.resource for line in lines if line.is_beyond]
        if full:
            reason = f"beyond the quota of {', '.join(full)}"
            # A list has ids where a name is not the only one.
            reasons.update(dict.fromkeys((flavor.name, str(flavor.pk)), reason))
    return reasons
