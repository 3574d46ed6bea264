"""VMs: /vms, and one action per verb of the lifecycle."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api import filters
from compute.api.fields import Body, Flag, Labels, Line, Lines, NoBody, Word
from compute.api.problems import stored_document
from compute.api.renderers import render_inline
from compute.api.viewset import ResourceViewSet
from compute.errors import ValidationError
from compute.models import VM, Cloud, Project, VMStatus
from compute.models.vm import VMQuerySet
from compute.services import vms

#: Nova takes 65,535 bytes of Base64.
MAX_USER_DATA = 49_149
MAX_DESCRIPTION = 4096
MAX_LOG_LINES = 10_000


# What a VM looks like


class CloudTimes(dict[str, datetime | None]):
    """Cloud alias -> when it was last observed; read once, when first asked."""

    def __missing__(self, alias: str) -> datetime | None:
        self.update(Cloud.objects.values_list("alias", "observed_at"))
        return self.setdefault(alias, None)


class AddressSerializer(serializers.Serializer[Any]):
    ip = serializers.IPAddressField()
    version = serializers.IntegerField()
    network = serializers.CharField()
    type = serializers.CharField(allow_null=True)
    mac = serializers.CharField(allow_null=True)


class VMSerializer(serializers.Serializer[VM]):
    """A virtual machine."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    project = serializers.UUIDField()
    cloud = serializers.CharField(help_text="Alias of the cloud it lives in.")
    status = serializers.ChoiceField(choices=VMStatus.choices)
    flavor = serializers.CharField(help_text="As it was sent.")
    flavor_id = serializers.UUIDField(allow_null=True)
    vcpus = serializers.IntegerField()
    ram_mb = serializers.IntegerField()
    disk_gb = serializers.IntegerField()
    image = serializers.CharField(help_text="As it was sent.")
    image_id = serializers.UUIDField(allow_null=True)
    labels = Labels()
    addresses = AddressSerializer(many=True)
    delete_protection = serializers.BooleanField()
    allowed_actions = serializers.ListField(
        child=serializers.CharField(), help_text="What would not be refused now."
    )
    operation_id = serializers.UUIDField(
        allow_null=True, help_text="Its newest operation."
    )
    error = serializers.SerializerMethodField(
        help_text="The problem it suffers from, or null."
    )
    version = serializers.IntegerField(help_text="The ETag.")
    observed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the cloud last confirmed it."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    deleted_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(
        {"oneOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}
    )
    def get_error(self, vm: VM) -> dict[str, Any] | None:
        return stored_document(vm.error, self.context["request"])

    def to_representation(self, vm: VM) -> dict[str, Any]:
        # By hand: a list of 100 takes a tenth of the time the fields would need.
        return {
            "id": vm.id,
            "name": vm.name,
            "description": vm.description,
            "project": vm.project_id,
            "cloud": vm.cloud,
            "status": vm.status,
            "flavor": vm.flavor_name,
            "flavor_id": vm.flavor_id,
            "vcpus": vm.vcpus,
            "ram_mb": vm.ram_mb,
            "disk_gb": vm.disk_gb,
            "image": vm.image_name,
            "image_id": vm.image_id,
            "labels": vm.labels,
            "addresses": vm.addresses,
            "delete_protection": vm.delete_protection,
            "allowed_actions": vm.allowed_actions,
            "operation_id": vm.operation_id,
            "error": self.get_error(vm),
            "version": vm.version,
            "observed_at": self._observed_at(vm),
            "created_at": vm.created_at,
            "updated_at": vm.updated_at,
            "deleted_at": vm.deleted_at,
        }

    def _observed_at(self, vm: VM) -> datetime | None:
        """Return the later of its own last change and its cloud's last good pass."""
        if not vm.server_id:
            return None
        times = (vm.observed_at, self.context["cloud_times"][vm.cloud])
        return max((time for time in times if time is not None), default=None)


class ConsoleLogSerializer(serializers.Serializer[Any]):
    """What a server printed."""

    output = serializers.CharField()


# What can be sent


class VMCreate(Body):
    name = Line(help_text="1 to 255 characters, no space at either end.")
    flavor = Line(help_text="Name or id; see /flavors.")
    image = Line(help_text="Name or id; see /images.")
    cloud = Line(required=False, help_text="Alias; the default cloud if not given.")
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)
    user_data = Lines(
        required=False,
        max_length=MAX_USER_DATA,
        style={"base_template": "textarea.html", "rows": 4},
        help_text="Plain text for cloud-init; never shown again.",
    )

    def validate_user_data(self, value: str) -> str:
        if len(value.encode()) > MAX_USER_DATA:
            raise serializers.ValidationError(
                f"At most {MAX_USER_DATA} bytes.", code="max_length"
            )
        return value


class VMUpdate(Body):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    name = Line(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)


class Reboot(Body):
    type = Word(
        choices=vms.RebootType.choices,
        default=vms.RebootType.SOFT.value,
        help_text="HARD cuts the power.",
    )


class Resize(Body):
    flavor = Line(
        help_text="Name or id of the new flavor.", style={"placeholder": "flavor"}
    )


class Rebuild(Body):
    image = Line(
        help_text="Name or id of the image to start over from.",
        style={"placeholder": "image"},
    )


class Restore(Body):
    snapshot = Line(
        help_text="Id or name of a snapshot of this VM.",
        style={"placeholder": "snapshot"},
    )


class VMFilter(filters.NamedFilterSet):
    status = filters.ChoiceIn(choices=VMStatus.choices, help_text="These statuses.")
    flavor = filters.Reference(help_text="These flavors: name as sent, or id.")
    image = filters.Reference(help_text="These images: name as sent, or id.")
    project = filters.UUIDIn(help_text="These projects.")
    created_at__gte = filters.Time(field_name="created_at", lookup_expr="gte")
    created_at__lt = filters.Time(field_name="created_at", lookup_expr="lt")
    updated_at__gte = filters.Time(field_name="updated_at", lookup_expr="gte")
    updated_at__lt = filters.Time(field_name="updated_at", lookup_expr="lt")
    search = filters.SearchWithAddress(
        help_text="Part of the name, or the beginning of the id or of an address."
    )
    label_selector = filters.LabelSelector(
        help_text="Requirements on labels, as in Kubernetes; all must hold."
    )


class VMViewSet(ResourceViewSet[VM]):
    """Virtual machines."""

    noun = "VM"
    serializer_class = VMSerializer
    filterset_class = VMFilter
    orderings = ("created_at", "updated_at", "name")
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {
        "list": frozenset({"include_deleted"}),
        "retrieve": frozenset({"include_deleted"}),
        "console_log": frozenset({"lines"}),
    }
    bodies: ClassVar[Mapping[str, type[Body]]] = {
        "create": VMCreate,
        "partial_update": VMUpdate,
        "destroy": NoBody,
        "start": NoBody,
        "stop": NoBody,
        "reboot": Reboot,
        "resize": Resize,
        "rebuild": Rebuild,
        "restore": Restore,
        "pause": NoBody,
        "unpause": NoBody,
        "suspend": NoBody,
        "resume": NoBody,
        "shelve": NoBody,
        "unshelve": NoBody,
        "rescue": NoBody,
        "unrescue": NoBody,
    }

    def get_queryset(self) -> QuerySet[VM]:
        every: VMQuerySet = VM.objects.with_operation()
        return every if self.is_asked("include_deleted") else every.alive()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "cloud_times": CloudTimes()}

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
                "fields": render_inline(self.bodies[name]()),
            }
            for name in data.get("allowed_actions", ())
            # Delete has a button of its own, and a snapshot its own page.
            if name not in ("delete", "snapshot")
        ]

    def create(self, request: Request) -> Response:
        """Create a VM."""
        body, project, actor = self.body(), Project.objects.default(), self.actor
        return self.submit(
            lambda: vms.create(project=project, actor=actor, **body), created=True
        )

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description, labels or delete protection."""
        vm = vms.update(
            self.get_object(),
            actor=self.actor,
            changes=self.body(),
            expect=self.expect,
        )
        return self.item(vm)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it. The row stays, as DELETED, for `include_deleted=true`."""
        return self.act(vms.delete)

    def act(self, service: Any) -> Response:
        """Call a service that takes a VM and what the body holds."""
        vm, body, actor, expect = (
            self.get_object(),
            self.body(),
            self.actor,
            self.expect,
        )
        return self.submit(lambda: service(vm, actor=actor, expect=expect, **body))

    @action(detail=True, methods=["post"], url_path="actions/start")
    def start(self, request: Request, id: Any) -> Response:
        """Switch it on."""
        return self.act(vms.start)

    @action(detail=True, methods=["post"], url_path="actions/stop")
    def stop(self, request: Request, id: Any) -> Response:
        """Shut it down."""
        return self.act(vms.stop)

    @action(detail=True, methods=["post"], url_path="actions/reboot")
    def reboot(self, request: Request, id: Any) -> Response:
        """Restart it. `HARD` is also a way out of ERROR."""
        return self.act(vms.reboot)

    @action(detail=True, methods=["post"], url_path="actions/resize")
    def resize(self, request: Request, id: Any) -> Response:
        """Give it another flavor. It is started, also if it was off."""
        return self.act(vms.resize)

    @action(detail=True, methods=["post"], url_path="actions/rebuild")
    def rebuild(self, request: Request, id: Any) -> Response:
        """Start over from an image; what is on its disk is lost."""
        return self.act(vms.rebuild)

    @action(detail=True, methods=["post"], url_path="actions/restore")
    def restore(self, request: Request, id: Any) -> Response:
        """Go back to one of its own snapshots."""
        return self.act(vms.restore)

    @action(detail=True, methods=["post"], url_path="actions/pause")
    def pause(self, request: Request, id: Any) -> Response:
        """Freeze it, in memory."""
        return self.act(vms.pause)

    @action(detail=True, methods=["post"], url_path="actions/unpause")
    def unpause(self, request: Request, id: Any) -> Response:
        """Let a paused VM go on."""
        return self.act(vms.unpause)

    @action(detail=True, methods=["post"], url_path="actions/suspend")
    def suspend(self, request: Request, id: Any) -> Response:
        """Freeze it, on disk."""
        return self.act(vms.suspend)

    @action(detail=True, methods=["post"], url_path="actions/resume")
    def resume(self, request: Request, id: Any) -> Response:
        """Let a suspended VM go on."""
        return self.act(vms.resume)

    @action(detail=True, methods=["post"], url_path="actions/shelve")
    def shelve(self, request: Request, id: Any) -> Response:
        """Take it off its host, and keep it."""
        return self.act(vms.shelve)

    @action(detail=True, methods=["post"], url_path="actions/unshelve")
    def unshelve(self, request: Request, id: Any) -> Response:
        """Bring a shelved VM back."""
        return self.act(vms.unshelve)

    @action(detail=True, methods=["post"], url_path="actions/rescue")
    def rescue(self, request: Request, id: Any) -> Response:
        """Boot it from a rescue image, with its disk beside."""
        return self.act(vms.rescue)

    @action(detail=True, methods=["post"], url_path="actions/unrescue")
    def unrescue(self, request: Request, id: Any) -> Response:
        """Boot a rescued VM from its own disk again."""
        return self.act(vms.unrescue)

    @extend_schema(responses=ConsoleLogSerializer)
    @action(
        detail=True,
        url_path="console-log",
        filter_backends=[],
        pagination_class=None,
    )
    def console_log(self, request: Request, id: Any) -> Response:
        """Return the end of its serial console. The one read that asks the cloud."""
        text = request.query_params.get("lines", "100")
        if not text.isascii() or not text.isdigit() or len(text) > 5:
            raise _bad_lines()
        lines = int(text)
        if not 1 <= lines <= MAX_LOG_LINES:
            raise _bad_lines()
        return Response({"output": vms.console_log(self.get_object(), lines=lines)})


def _bad_lines() -> ValidationError:
    return ValidationError(
        [
            {
                "parameter": "lines",
                "code": "invalid",
                "detail": f"lines is a whole number, 1 to {MAX_LOG_LINES}.",
            }
        ]
    )
