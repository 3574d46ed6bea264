"""What operators type about VMs, and what they are offered to choose from."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django import forms
from django.db.models import Q
from django.http import HttpRequest

from compute import clouds
from compute.admin.console.display import EXACT
from compute.admin.console.forms import (
    ActionForm,
    LabelsField,
    LineField,
    LinesField,
    OwnedForm,
    SuggestingInput,
    living_project,
)
from compute.admin.console.operators import may
from compute.admin.console.pages import Button
from compute.limits import MAX_USER_DATA_TEXT, LinesValidator
from compute.models import (
    VM,
    Flavor,
    Image,
    Project,
    SnapshotStatus,
    UserDataEncoding,
)
from compute.models.vm import VERBS
from compute.services.actions import VM_ACTIONS, Action
from compute.services.vms import RebootType

#: Suggestions beside a field at most.
SUGGESTIONS = 20


class VMForm(OwnedForm):
    class Meta(OwnedForm.Meta):
        model = VM
        fields = ("name", "description", "labels", "delete_protection")


class VMCreateForm(forms.Form):
    """The arguments of `services.vms.create`, by the names that errors point at."""

    name = LineField()
    flavor = LineField(help_text="Name or id.")
    image = LineField(help_text="Name or id.")
    cloud = forms.ChoiceField(required=False)
    project = LineField(help_text="Name or id.")
    keypair = LineField(required=False, help_text="Name or id.")
    description = LinesField()
    labels = LabelsField()
    delete_protection = forms.BooleanField(required=False)
    user_data = LinesField(
        rows=4,
        max_length=MAX_USER_DATA_TEXT,
        validators=[LinesValidator()],
        help_text="For cloud-init; never shown again.",
    )
    user_data_encoding = forms.ChoiceField(
        choices=UserDataEncoding.choices,
        required=False,
        help_text="Base64 for anything that is not text, such as gzip.",
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        if data is None:
            self.initial["project"] = Project.objects.default().name
        aliases = ((alias, alias) for alias in clouds.aliases())
        choices = [("", "the default of the project"), *aliases]
        self.fields["cloud"] = forms.ChoiceField(choices=choices, required=False)
        flavors = Flavor.objects.offered().order_by("disk_gb", "ram_mb", "name")
        images = Image.objects.offered().filter(project=None)
        for noun, rows in (("flavor", flavors), ("image", images)):
            if may(request, f"{noun}.list"):
                names = rows.values_list("name", flat=True).distinct()
                self.fields[noun].widget = SuggestingInput(list(names[:SUGGESTIONS]))

    def clean_project(self) -> Project:
        return living_project(self.cleaned_data["project"])

    def clean_cloud(self) -> str | None:
        return self.cleaned_data["cloud"] or None

    def clean_keypair(self) -> str | None:
        return self.cleaned_data["keypair"] or None

    def clean_user_data_encoding(self) -> str:
        return self.cleaned_data["user_data_encoding"] or UserDataEncoding.PLAIN


def buttons(
    request: HttpRequest, vm: VM, *, url: Callable[[VM, str], str]
) -> list[Button]:
    """Return what this operator may ask of a VM now; delete has a page of its own."""
    actions = [VM_ACTIONS[verb] for verb in vm.allowed_actions if verb != "delete"]
    return [
        _button(request, vm, action, url=url(vm, action.verb))
        for action in actions
        if may(request, action.name)
    ]


def _button(request: HttpRequest, vm: VM, action: Action, *, url: str) -> Button:
    form = ActionForm(action)
    for name, field in form.fields.items():
        offer = _OFFERS.get((action.verb, name))
        if offer is None or not (offer.sees is None or may(request, offer.sees)):
            continue
        field.widget = offer.widget(vm)
        if isinstance(field.widget, forms.Select) and not field.widget.choices:
            note = f"It has no {name} to restore."
            return Button(label=action.label, url=url, note=note, can_send=False)
    return Button(
        label=action.label,
        url=url,
        note=action.note,
        form=form,
        is_danger=action.is_destructive,
    )


def _reboot_types(vm: VM) -> forms.Select:
    methods = {RebootType.SOFT: "reboot", RebootType.HARD: "reboot_hard"}
    return forms.Select(
        choices=[
            (type, type.label)
            for type, method in methods.items()
            if vm.status in VERBS[method].ends
        ]
    )


def _larger_flavors(vm: VM) -> SuggestingInput:
    fits = Flavor.objects.offered().filter(cloud=vm.cloud, disk_gb__gte=vm.disk_gb)
    if vm.flavor_id is not None:
        fits = fits.exclude(pk=vm.flavor_id)
    names = fits.order_by("disk_gb", "ram_mb").values_list("name", flat=True)
    return SuggestingInput(list(names[:SUGGESTIONS]))


def _images_that_fit(vm: VM) -> SuggestingInput:
    fits = Image.objects.offered().filter(
        Q(project=None) | Q(project=vm.project_id),
        cloud=vm.cloud,
        min_disk_gb__lte=vm.disk_gb,
        min_ram_mb__lte=vm.ram_mb,
    )
    return SuggestingInput(list(fits.values_list("name", flat=True)[:SUGGESTIONS]))


def _newest_snapshots(vm: VM) -> forms.Select:
    available = vm.snapshots.filter(status=SnapshotStatus.AVAILABLE)
    newest = available.order_by("-created_at")[:SUGGESTIONS]
    # Names may repeat.
    return forms.Select(
        choices=[
            (str(row.pk), f"{row.name}, {row.created_at:{EXACT}}") for row in newest
        ]
    )


class _Offer(NamedTuple):
    widget: Callable[[VM], forms.Widget]
    #: The permission that it takes to see the choices.
    sees: str | None = None


#: (verb, argument) -> what may be chosen for a VM as it is.
_OFFERS: Mapping[tuple[str, str], _Offer] = {
    ("reboot", "type"): _Offer(_reboot_types),
    ("resize", "flavor"): _Offer(_larger_flavors, "flavor.list"),
    ("rebuild", "image"): _Offer(_images_that_fit, "image.list"),
    ("restore", "snapshot"): _Offer(_newest_snapshots, "snapshot.list"),
}
