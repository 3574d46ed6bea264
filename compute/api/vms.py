"""VMs: /vms, and one action per verb of the lifecycle."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api.http import filters, writes
from compute.api.http.fields import (
    Flag,
    Id,
    Labels,
    Line,
    Lines,
    Name,
    NoBody,
    RequestBody,
    Word,
)
from compute.api.http.parameters import INCLUDE_DELETED, is_asked, whole_number
from compute.api.http.renderers import render_inline
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.vms import CONSOLE_LOG_BODY, VM_BODY
from compute.models import VM, VMStatus
from compute.models.limits import MAX_DESCRIPTION, MAX_USER_DATA, MAX_USER_DATA_TEXT
from compute.models.vm import UserDataEncoding, VMQuerySet
from compute.services import vms

MAX_LOG_LINES = 10_000
LINES = OpenApiParameter(
    "lines",
    {"type": "integer", "minimum": 1, "maximum": MAX_LOG_LINES, "default": 100},
    description="Lines from the end.",
)


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
        help_text="If not given, the API token's, or the default project if you may.",
    )
    cloud = Line(required=False, help_text="Alias; the default cloud if not given.")
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
        help_text="base64: whatever cloud-init reads, gzip and MIME multi-part too.",
    )


class VMUpdate(RequestBody):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    example = {"name": "web-2", "labels": {"env": "test"}}

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)


class Reboot(RequestBody):
    example = {"type": "HARD"}

    type = Word(
        choices=vms.RebootType.choices,
        default=vms.RebootType.SOFT.value,
        help_text="HARD cuts the power.",
    )


class Resize(RequestBody):
    example = {"flavor": "m1.medium"}

    flavor = Line(
        help_text="Name or id of the new flavor.", style={"placeholder": "flavor"}
    )


class Rebuild(RequestBody):
    example = {"image": "debian-12"}

    image = Line(
        help_text="Name or id of the image to start over from.",
        style={"placeholder": "image"},
    )


class Restore(RequestBody):
    example = {"snapshot": "before-upgrade"}

    snapshot = Line(
        help_text="Id or name of a snapshot of this VM.",
        style={"placeholder": "snapshot"},
    )


class VMFilter(filters.NamedFilterSet, filters.UpdatedFilterSet):
    status = filters.ChoiceIn(VMStatus, help_text="These statuses.")
    flavor = filters.Reference(help_text="These flavors: name as sent, or id.")
    image = filters.Reference(help_text="These images: name as sent, or id.")
    project = filters.UUIDIn(help_text="These projects.")
    search = filters.SearchWithAddress(
        help_text="Part of the name, or the beginning of the id or of an address."
    )
    label_selector = filters.LabelSelector()


class VMViewSet(ResourceViewSet[VM]):
    """Virtual machines."""

    queryset = VM.objects.none()  # its model, for the schema
    noun = "VM"
    about = "Virtual machines and what can be done to them."
    is_in_navigation = True
    shows = VM_BODY
    filterset_class = VMFilter
    orderings = ("created_at", "updated_at", "name")
    query_parameters = {
        "list": (INCLUDE_DELETED,),
        "retrieve": (INCLUDE_DELETED,),
        "console_log": (LINES,),
    }
    bodies = {
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

    more_problems = {
        # What it may hear from the cloud.
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

    def get_queryset(self) -> QuerySet[VM]:
        every: VMQuerySet = VM.objects.with_operation()
        if not is_asked(self.request, "include_deleted"):
            every = every.alive()
        return self.visible(every)

    def prepare_answer(self) -> None:
        super().prepare_answer()
        self.reader.clouds.read()

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
        return writes.submit(
            self,
            lambda: service(vm, actor=actor, expect=expect, **body),
            project_id=vm.project_id,
        )

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

    @extend_schema(responses=CONSOLE_LOG_BODY)
    @action(
        detail=True,
        url_path="console-log",
        filter_backends=[],
        pagination_class=None,
    )
    def console_log(self, request: Request, id: Any) -> Response:
        """Return the end of its serial console. The one read that asks the cloud."""
        lines = whole_number(request, "lines", default=100, highest=MAX_LOG_LINES)
        vm = self.get_object()
        output = vms.console_log(vm, lines=lines, actor=self.actor)
        # What a VM prints at its first boot may hold passwords.
        return Response({"output": output}, headers={"Cache-Control": "no-store"})
