"""VMs: /vms, and one action per verb of the lifecycle."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.access import Scope
from compute.api.actions import act, offer
from compute.api.http import filters, writes
from compute.api.http.fields import (
    Flag,
    Id,
    Labels,
    Line,
    Lines,
    Name,
    Names,
    NoBody,
    RequestBody,
    Word,
)
from compute.api.http.parameters import INCLUDE_DELETED, is_asked, whole_number
from compute.api.http.renderers import render_inline
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.reader import CLOUD_OBSERVED_AT
from compute.bodies.vms import CONSOLE_LOG_BODY, REMOTE_CONSOLE_BODY, VM_BODY
from compute.limits import MAX_DESCRIPTION, MAX_USER_DATA, MAX_USER_DATA_TEXT
from compute.models import VM, VMStatus
from compute.models.vm_queries import UserDataEncoding, VMQuerySet
from compute.services import ports, vms
from compute.services.actions import VM_ACTIONS

MAX_LOG_LINES = 10_000
LINES = OpenApiParameter(
    "lines",
    {"type": "integer", "minimum": 1, "maximum": MAX_LOG_LINES, "default": 100},
    description="Lines from the end.",
)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": 255},
            {
                "type": "object",
                "properties": {
                    "network": {"type": "string", "minLength": 1, "maxLength": 255},
                    "ip": {"type": "string", "minLength": 1, "maxLength": 255},
                },
                "required": ["network"],
                "additionalProperties": False,
            },
        ]
    }
)
class NetworkWish(serializers.Field[ports.Wish, Any, Any, Any]):
    """A network by its name or id, or an object that asks for an address too."""

    def to_internal_value(self, data: Any) -> ports.Wish:
        if isinstance(data, str):
            data = {"network": data}
        wish = _Wish(data=data)
        wish.is_valid(raise_exception=True)
        return ports.Wish(**wish.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value


class NetworkWishes(Names):
    child = NetworkWish()


class _Wish(RequestBody):
    network = Line()
    ip = Line(required=False)


class VMCreate(RequestBody):
    example = {
        "name": "web-1",
        "flavor": "m1.small",
        "image": "ubuntu-22.04",
        "labels": {"env": "prod"},
    }

    name = Name()
    flavor = Line(help_text="Name or id; see /flavors.")
    image = Line(help_text="Name or id; see /images.")
    project = Id(
        required=False,
        help_text=(
            "If omitted, the API token's project, or the default project if you may"
            " create there."
        ),
    )
    cloud = Line(
        required=False, help_text="Alias; the project's default cloud if not given."
    )
    keypair = Line(required=False, help_text="Name or id; see /keypairs.")
    networks = NetworkWishes(
        required=False,
        max_length=ports.MAX_NETWORKS,
        help_text=(
            "Names or ids, or objects with network and ip; the cloud's default "
            "network if omitted."
        ),
    )
    security_groups = Names(
        required=False,
        max_length=ports.MAX_GROUPS,
        help_text="Names or ids; the cloud's default group if omitted.",
    )
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)
    user_data = Lines(
        required=False,
        max_length=MAX_USER_DATA_TEXT,
        style={"base_template": "textarea.html", "rows": 4},
        help_text=f"For cloud-init; never shown again. At most {MAX_USER_DATA} bytes"
        " (Nova takes 64 KiB of Base64).",
    )
    user_data_encoding = Word(
        choices=UserDataEncoding.choices,
        default=UserDataEncoding.PLAIN.value,
        help_text=(
            "base64: anything cloud-init reads, including gzip and MIME multi-part."
        ),
    )


class VMUpdate(RequestBody):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    example = {"name": "web-2", "labels": {"env": "test"}}

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)


#: Those at /actions: to delete is a method of its own, and a snapshot has its own path.
AT_ACTIONS = {
    verb: action
    for verb, action in VM_ACTIONS.items()
    if verb not in ("delete", "snapshot")
}


class VMFilter(filters.NamedFilterSet, filters.UpdatedFilterSet):
    status = filters.ChoiceIn(VMStatus, help_text="These statuses.")
    flavor = filters.Reference(help_text="These flavors: name as sent, or id.")
    image = filters.Reference(help_text="These images: name as sent, or id.")
    project = filters.UUIDIn(help_text="These projects.")
    search = filters.SearchWithAddress(
        help_text="Part of the name, or the beginning of the id or of an address."
    )
    label_selector = filters.LabelSelector()


@offer(AT_ACTIONS.values())
class VMViewSet(ResourceViewSet[VM]):
    """Virtual machines."""

    queryset = VM.objects.none()  # its model, for the schema
    noun = "VM"
    about = "Virtual machines and what can be done to them."
    is_in_navigation = True
    shows = VM_BODY
    filterset_class = VMFilter
    orderings = ("created_at", "updated_at", "name")
    counts_are_kept = True
    query_parameters = {
        "list": (INCLUDE_DELETED,),
        "retrieve": (INCLUDE_DELETED,),
        "console_log": (LINES,),
    }
    target_extras = {"in_cloud": F("cloud"), "cloud_observed_at": CLOUD_OBSERVED_AT}
    bodies = {"create": VMCreate, "partial_update": VMUpdate, "destroy": NoBody}

    more_problems = {
        # What it may hear from the cloud.
        "console": (409, 502, 504),
        "console_log": (409, 502, 504),
    }
    links = {
        "create": {
            "vms_retrieve": "id",
            "vms_update": "id",
            "vms_delete": "id",
            "vms_stop": "id",
            "vms_start": "id",
            "vms_snapshots_create": "id",
            "vms_snapshots_list": "id",
            "operations_retrieve": "operation_id",
        },
        "stop": {"vms_start": "id", "vms_resize": "id"},
        "start": dict.fromkeys(
            ("vms_reboot", "vms_pause", "vms_suspend", "vms_shelve"), "id"
        ),
        "pause": {"vms_unpause": "id"},
        "suspend": {"vms_resume": "id"},
        "shelve": {"vms_unshelve": "id"},
    }

    @staticmethod
    def readable(scope: Scope, *, include_deleted: bool) -> QuerySet[VM]:
        every: VMQuerySet = VM.objects.with_operation()
        if not include_deleted:
            every = every.alive()
        return scope.of(every, field="project_id")

    def reading_options(self) -> dict[str, bool]:
        return {"include_deleted": is_asked(self.request, "include_deleted")}

    def prepare_answer(self) -> None:
        super().prepare_answer()
        # Of a VM that is there the time of its cloud is read with it.
        if not self.detail or self.target is not None:
            self.reader.clouds.read()

    def take_extras(self, *values: Any) -> None:
        cloud, observed_at = values
        self.reader.clouds[cloud] = observed_at

    def page_extras(self, data: Any) -> dict[str, Any]:
        extras = super().page_extras(data)
        return {**extras, "action_forms": self.action_forms(data)}

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        if "operation_id" not in data:
            return []
        links = [
            ("This VM", self.url("vm", data["id"])),
            ("Its operations", f"{reverse('operation-list')}?vm={data['id']}"),
            ("Its snapshots", reverse("vm-snapshots", kwargs={"id": data["id"]})),
            ("Remote console", reverse("vm-console", kwargs={"id": data["id"]})),
            ("Console log", reverse("vm-console-log", kwargs={"id": data["id"]})),
        ]
        if data["operation_id"] is not None:
            url = self.url("operation", data["operation_id"])
            links.append(("Its last operation", url))
        return links

    def action_forms(self, data: Any) -> list[dict[str, Any]]:
        """Return a form for every action that would be accepted now."""
        return [
            {
                "name": name,
                "url": reverse(f"vm-{name}", kwargs={"id": data["id"]}),
                "fields": render_inline(self.bodies[AT_ACTIONS[name].method]()),
            }
            for name in data.get("allowed_actions", ())
            if name in AT_ACTIONS
        ]

    def create(self, request: Request) -> Response:
        """Create a VM."""
        self.access.require_somewhere(self.permission)
        body, actor = self.body(), self.actor
        project = self.project(body.pop("project", None))
        return writes.submit(
            self,
            lambda: vms.create(project=project, actor=actor, **body),
            project_id=project.pk,
            created=True,
        )

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description, labels or delete protection."""
        vm = vms.update(
            self.get_target(),
            actor=self.actor,
            changes=self.body(),
            expect=self.expect,
        )
        return self.item(vm)

    def destroy(self, request: Request, id: Any) -> Response:
        "Delete it. It stays readable, as DELETED, with `include_deleted=true`."
        return act(self, vms.delete)

    @extend_schema(responses=REMOTE_CONSOLE_BODY)
    @action(detail=True, url_path="console", filter_backends=[], pagination_class=None)
    def console(self, request: Request, id: Any) -> Response:
        """Return a URL of its screen that is valid for some minutes; asks the cloud."""
        console = vms.remote_console(self.get_object(), actor=self.actor)
        body = {"type": console.type, "url": console.url}
        return Response(body, headers={"Cache-Control": "no-store"})

    @extend_schema(responses=CONSOLE_LOG_BODY)
    @action(
        detail=True,
        url_path="console-log",
        filter_backends=[],
        pagination_class=None,
    )
    def console_log(self, request: Request, id: Any) -> Response:
        """Return the end of its serial console; asks the cloud."""
        lines = whole_number(request, "lines", default=100, highest=MAX_LOG_LINES)
        vm = self.get_object()
        output = vms.console_log(vm, lines=lines, actor=self.actor)
        # What a VM prints at its first boot may hold passwords.
        return Response({"output": output}, headers={"Cache-Control": "no-store"})
