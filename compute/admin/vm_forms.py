"""What operators type about VMs, and what they are offered to choose from."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute import clouds
from compute.admin import offers, sizes
from compute.admin.console.display import EXACT
from compute.admin.console.forms import (
    LabelsField,
    LineField,
    LinesField,
    NamesField,
    OwnedForm,
    SuggestingInput,
    living_project,
)
from compute.admin.console.operators import may
from compute.admin.console.pages import Button
from compute.admin.offers import SUGGESTIONS, Offer, Offers
from compute.errors import Problem
from compute.limits import MAX_USER_DATA_TEXT, LinesValidator
from compute.models import (
    VM,
    Flavor,
    Image,
    Network,
    Project,
    SecurityGroup,
    SnapshotStatus,
    UserDataEncoding,
)
from compute.models.vm import VERBS
from compute.services import catalog
from compute.services.actions import VM_ACTIONS
from compute.services.allowed_clouds import cloud_of
from compute.services.ports import Wish
from compute.services.vms import RebootType


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
    networks = NamesField(
        help_text=f"{NamesField.HELP}; if empty, the cloud's default network."
    )
    security_groups = NamesField(
        help_text=f"{NamesField.HELP}; if empty, the cloud's default group."
    )
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

    def __init__(
        self, request: HttpRequest, data: Any = None, *, like: VM | None = None
    ) -> None:
        super().__init__(data)
        project = _chosen_project(request, like)
        if data is None:
            self.initial["project"] = str(project.pk) if project else ""
            self.initial.update(_values_of(like) if like else {})
        aliases = ((alias, alias) for alias in clouds.aliases())
        choices = [("", "the default of the project"), *aliases]
        self.fields["cloud"] = forms.ChoiceField(choices=choices, required=False)
        if may(request, "flavor.list"):
            flavors = Flavor.objects.offered().filter(cloud__in=clouds.aliases())
            order = ("disk_gb", "ram_mb", "vcpus", "name", "cloud")
            _offer(self.fields["flavor"], sizes.flavors(flavors.order_by(*order)))
        if may(request, "image.list"):
            images = Image.objects.offered().filter(
                Q(project=None) | Q(project=project),
                cloud__in=clouds.aliases(),
            )
            _offer(self.fields["image"], sizes.images(images.order_by("name", "cloud")))

    def clean_project(self) -> Project:
        return living_project(self.cleaned_data["project"])

    def clean_cloud(self) -> str | None:
        return self.cleaned_data["cloud"] or None

    def clean_keypair(self) -> str | None:
        return self.cleaned_data["keypair"] or None

    def clean_networks(self) -> list[Wish]:
        return [Wish(name) for name in self.cleaned_data["networks"]]

    def clean_security_groups(self) -> list[str] | None:
        return self.cleaned_data["security_groups"] or None

    def clean_user_data_encoding(self) -> str:
        return self.cleaned_data["user_data_encoding"] or UserDataEncoding.PLAIN


def _offer(field: forms.Field, widget: forms.Widget) -> None:
    field.widget = widget
    if isinstance(widget, forms.Select):
        field.help_text = ""


def _chosen_project(request: HttpRequest, like: VM | None) -> Project | None:
    """Return the project that a sent form names; before, that of the pattern."""
    text = request.POST.get("project")
    if text is None:
        return like.project if like else Project.objects.default()
    try:
        return living_project(text)
    except ValidationError:
        return None


def _values_of(vm: VM) -> dict[str, Any]:
    """Return what to type for one more VM like this."""
    return {
        "name": vm.name,
        "project": str(vm.project_id),
        "cloud": vm.cloud,
        "flavor": vm.flavor.name if vm.flavor else vm.flavor_name,
        "image": vm.image.name if vm.image else vm.image_name,
        "keypair": vm.keypair_name,
        "networks": [place["network"] for place in vm.networks if place["network"]],
        "security_groups": list(vm.security_groups),
        "description": vm.description,
        "labels": vm.labels,
        "delete_protection": vm.delete_protection,
    }


def preview(request: HttpRequest) -> SafeString | str:
    """Return what a VM would take of its project's quotas, of what is typed so far."""
    if not may(request, "quota.retrieve"):
        return ""
    typed = request.POST
    try:
        project = living_project(typed.get("project", ""))
        alias = cloud_of(project, typed.get("cloud") or None)
        flavor = catalog.flavor(typed.get("flavor", ""), cloud=alias)
    except ValidationError as error:
        return format_html('<p class="quiet">{}</p>', error.messages[0])
    except Problem as problem:
        return format_html('<p class="quiet">{}</p>', problem.detail)
    return sizes.preview(project, sizes.of_new(flavor))


def buttons(
    request: HttpRequest, vm: VM, *, url: Callable[[VM, str], str]
) -> list[Button]:
    """Return what this operator may ask of a VM now; delete has a page of its own."""
    actions = [VM_ACTIONS[verb] for verb in vm.allowed_actions if verb != "delete"]
    return offers.buttons(request, vm, actions, _OFFERS, url=url)


def _reboot_types(vm: VM) -> forms.Select:
    methods = {RebootType.SOFT: "reboot", RebootType.HARD: "reboot_hard"}
    return forms.Select(
        choices=[
            (type, type.label)
            for type, method in methods.items()
            if vm.status in VERBS[method].ends
        ]
    )


def _larger_flavors(vm: VM) -> forms.Widget:
    fits = Flavor.objects.offered().filter(cloud=vm.cloud, disk_gb__gte=vm.disk_gb)
    if vm.flavor_id is not None:
        fits = fits.exclude(pk=vm.flavor_id)
    fits = fits.order_by("disk_gb", "ram_mb", "vcpus", "name")
    beyond = sizes.beyond_quota(vm, fits[: sizes.MAX_CHOICES])
    return sizes.flavors(fits, beyond=beyond)


def _images_that_fit(vm: VM) -> forms.Widget:
    fits = Image.objects.offered().filter(
        Q(project=None) | Q(project=vm.project_id),
        cloud=vm.cloud,
        min_disk_gb__lte=vm.disk_gb,
        min_ram_mb__lte=vm.ram_mb,
    )
    return sizes.images(fits.order_by("name", "id"))


def _newest_snapshots(vm: VM) -> forms.Select:
    available = vm.snapshots.filter(status=SnapshotStatus.AVAILABLE)
    newest = available.order_by("-created_at")[:SUGGESTIONS]
    # Names may repeat.
    return forms.Select(
        choices=[
            (str(row.pk), f"{row.name}, {row.created_at:{EXACT}}") for row in newest
        ]
    )


def _networks_that_fit(vm: VM) -> SuggestingInput:
    usable = Network.objects.alive().filter(
        Q(project=None) | Q(project=vm.project_id), cloud=vm.cloud, external=False
    )
    there = {place["network"] for place in vm.networks}
    fits = usable.exclude(pk__in=there - {None}).exclude(subnets=[])
    names = fits.order_by("name").values_list("name", flat=True)
    return SuggestingInput(list(names[:SUGGESTIONS]))


def _its_ports(vm: VM) -> forms.Select:
    names = {address["mac"]: address["network"] for address in vm.addresses}
    choices = []
    for place in vm.networks:
        ips = [address["ip"] for address in place["addresses"]]
        words = [names.get(place["mac"]) or "", *ips, place["mac"] or ""]
        choices.append((place["port"], ", ".join(filter(None, words))))
    return forms.Select(choices=choices)


def _its_groups(request: HttpRequest, vm: VM) -> list[str]:
    """Return the names of its groups; the id of one that has no name of its own."""
    if not may(request, "security-group.list"):
        return list(vm.security_groups)
    usable = SecurityGroup.objects.alive().filter(
        Q(project=None) | Q(project=vm.project_id), cloud=vm.cloud
    )
    own = usable.filter(pk__in=vm.security_groups)
    names = list(usable.filter(name__in=own.values("name")).values_list("name", "pk"))
    how_many = Counter(name for name, _ in names)
    return [
        name if how_many[name] == 1 else str(pk)
        for name, pk in names
        if str(pk) in vm.security_groups
    ]


#: What may be chosen for a VM as it is.
_OFFERS: Offers = {
    ("reboot", "type"): Offer(_reboot_types),
    ("resize", "flavor"): Offer(_larger_flavors, "flavor.list"),
    ("rebuild", "image"): Offer(_images_that_fit, "image.list"),
    ("restore", "snapshot"): Offer(_newest_snapshots, "snapshot.list"),
    ("attach-network", "network"): Offer(_networks_that_fit, "network.list"),
    ("detach-network", "network"): Offer(_its_ports),
    ("set-security-groups", "security_groups"): Offer(initial=_its_groups),
}
