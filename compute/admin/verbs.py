"""The buttons of a VM: what each action is called, asks for, and calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from compute.admin.console.base import may
from compute.admin.console.display import EXACT
from compute.admin.console.forms import LineField
from compute.models import VM, Flavor, Image, SnapshotStatus
from compute.models.vm import VERBS
from compute.services import snapshots, vms
from compute.services.vms import RebootType

#: Suggestions beside a field at most; anything else can be typed.
SUGGESTIONS = 20


#: Whether who reads a form has a permission.
Sees = Callable[[str], bool]


def _nothing(permission: str) -> bool:
    return False


class VerbForm(forms.Form):
    """What an action asks for; by default nothing."""

    #: Said above the button.
    note = ""
    suggestions: list[str]

    def __init__(self, data: Any = None, *, vm: VM, sees: Sees = _nothing) -> None:
        """Take what was sent, or what may be offered."""
        super().__init__(data, auto_id=False)
        self.suggestions = []
        if data is None:
            self.offer(vm, sees)

    def offer(self, vm: VM, sees: Sees) -> None:
        """Fill in the sensible choices that may be seen; what was sent needs none."""


class RebootForm(VerbForm):
    note = "Hard cuts the power."
    type = forms.ChoiceField(
        choices=[(RebootType.SOFT, "Soft"), (RebootType.HARD, "Hard")]
    )
    methods = {RebootType.SOFT: "reboot", RebootType.HARD: "reboot_hard"}

    def offer(self, vm: VM, sees: Sees) -> None:
        field = self.fields["type"]
        field.widget.choices = [
            (type, label)
            for type, label in RebootForm.base_fields["type"].choices  # type: ignore[attr-defined]  # so has its field
            if vm.status in VERBS[self.methods[type]].ends
        ]


class ResizeForm(VerbForm):
    note = "It restarts; one that was off comes back on."
    flavor = LineField()

    def offer(self, vm: VM, sees: Sees) -> None:
        if not sees("flavor.list"):
            return
        fits = Flavor.objects.offered().filter(cloud=vm.cloud, disk_gb__gte=vm.disk_gb)
        if vm.flavor_id is not None:
            fits = fits.exclude(pk=vm.flavor_id)
        others = fits.order_by("disk_gb", "ram_mb")
        self.suggestions = list(others.values_list("name", flat=True)[:SUGGESTIONS])


class RebuildForm(VerbForm):
    note = "What is on its disk is lost."
    image = LineField()

    def offer(self, vm: VM, sees: Sees) -> None:
        if not sees("image.list"):
            return
        self.suggestions = list(
            Image.objects.offered()
            .filter(
                Q(project=None) | Q(project=vm.project_id),
                cloud=vm.cloud,
                min_disk_gb__lte=vm.disk_gb,
                min_ram_mb__lte=vm.ram_mb,
            )
            .values_list("name", flat=True)[:SUGGESTIONS]
        )


class RestoreForm(VerbForm):
    note = "What was written since is lost."
    snapshot = LineField(widget=forms.Select)

    def offer(self, vm: VM, sees: Sees) -> None:
        if not sees("snapshot.list"):
            self.fields["snapshot"].widget = forms.TextInput()
            return
        available = vm.snapshots.filter(status=SnapshotStatus.AVAILABLE)
        newest = available.order_by("-created_at")[:SUGGESTIONS]
        # Names may repeat.
        choices = [
            (str(row.pk), f"{row.name}, {row.created_at:{EXACT}}") for row in newest
        ]
        self.fields["snapshot"].widget.choices = choices
        if not choices:
            self.note = "It has no snapshot to go back to."
            del self.fields["snapshot"]


class SnapshotForm(VerbForm):
    note = "Nothing else can be asked of it meanwhile."
    name = LineField()


@dataclass(frozen=True, slots=True)
class Action:
    label: str
    #: Takes the VM, the actor and the form's values; returns what has ``.operation``.
    service: Callable[..., Any]
    form: type[VerbForm] = VerbForm


#: Every action of the lifecycle, by the name that `VM.allowed_actions` gives it.
ACTIONS: Mapping[str, Action] = {
    "start": Action("Start", vms.start),
    "stop": Action("Stop", vms.stop),
    "reboot": Action("Reboot", vms.reboot, RebootForm),
    "resize": Action("Resize", vms.resize, ResizeForm),
    "rebuild": Action("Rebuild", vms.rebuild, RebuildForm),
    "restore": Action("Restore", vms.restore, RestoreForm),
    "pause": Action("Pause", vms.pause),
    "unpause": Action("Unpause", vms.unpause),
    "suspend": Action("Suspend", vms.suspend),
    "resume": Action("Resume", vms.resume),
    "shelve": Action("Shelve", vms.shelve),
    "unshelve": Action("Unshelve", vms.unshelve),
    "rescue": Action("Rescue", vms.rescue),
    "unrescue": Action("Unrescue", vms.unrescue),
    "snapshot": Action("Snapshot", snapshots.create, SnapshotForm),
    "delete": Action("Delete", vms.delete),
}


def permission(name: str) -> str:
    """Return what an action takes; a snapshot belongs to its own noun."""
    return "snapshot.create" if name == "snapshot" else f"vm.{name}"


@dataclass(frozen=True, slots=True)
class Button:
    name: str
    label: str
    url: str
    form: VerbForm

    @property
    def list_id(self) -> str:
        return f"{self.name}-suggestions"


def buttons(request: HttpRequest, vm: VM) -> list[Button]:
    """Return what this operator may ask of a VM now; delete has a page of its own."""
    found = []
    for name in vm.allowed_actions:
        action = ACTIONS[name]
        if name == "delete" or not may(request, permission(name)):
            continue
        form = action.form(vm=vm, sees=partial(may, request))
        for field in form.fields.values() if form.suggestions else ():
            field.widget.attrs["list"] = f"{name}-suggestions"
        url = reverse("admin:compute_vm_action", args=[vm.pk, name])
        found.append(Button(name, action.label, url, form))
    return found
