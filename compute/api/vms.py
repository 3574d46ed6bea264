"""VMs: /vms, and one action per verb of the lifecycle."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api.http import filters
from compute.api.http.fields import Body, NoBody
from compute.api.http.parameters import is_asked, whole_number
from compute.api.http.renderers import render_inline
from compute.api.http.viewset import ResourceViewSet
from compute.api.vm_bodies import (
    COLUMNS,
    CloudTimes,
    ConsoleLogSerializer,
    Reboot,
    Rebuild,
    Resize,
    Restore,
    VMCreate,
    VMSerializer,
    VMUpdate,
)
from compute.models import VM, VMStatus
from compute.models.vm import VMQuerySet
from compute.services import vms

MAX_LOG_LINES = 10_000


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
    label_selector = filters.LabelSelector()


class VMViewSet(ResourceViewSet[VM]):
    """Virtual machines."""

    queryset = VM.objects.none()  # its model, for the schema
    noun = "VM"
    serializer_class = VMSerializer
    filterset_class = VMFilter
    columns = COLUMNS
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
        if not is_asked(self.request, "include_deleted"):
            every = every.alive()
        return self.visible(every)

    @cached_property
    def cloud_times(self) -> CloudTimes:
        return CloudTimes()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "cloud_times": self.cloud_times}

    def prepare_answer(self) -> None:
        super().prepare_answer()
        self.cloud_times.read()

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
        return self.submit(
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
        return self.submit(
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

    @extend_schema(responses=ConsoleLogSerializer)
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
