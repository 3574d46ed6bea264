"""Snapshots: of one VM at /vms/{id}/snapshots, and all at /snapshots."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Scope
from compute.api.actions import act
from compute.api.http import filters, writes
from compute.api.http.fields import Labels, Lines, Name, NoBody, RequestBody
from compute.api.http.parameters import INCLUDE_DELETED, is_asked
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.snapshots import SNAPSHOT_BODY
from compute.errors import NotFound
from compute.limits import MAX_DESCRIPTION
from compute.models import VM, Snapshot, SnapshotStatus
from compute.models.snapshot import SnapshotQuerySet
from compute.services import snapshots


class SnapshotCreate(RequestBody):
    example = {"name": "before-upgrade"}

    name = Name()
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)


class SnapshotUpdate(RequestBody):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    example = {"description": "Before the upgrade to 24.04."}

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)


class SnapshotFilter(filters.NamedFilterSet, filters.UpdatedFilterSet):
    status = filters.ChoiceIn(SnapshotStatus, help_text="These statuses.")
    vm = filters.UUIDIn(help_text="Of these VMs.")
    project = filters.UUIDIn(help_text="These projects.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")
    label_selector = filters.LabelSelector()


class SnapshotViewSet(ResourceViewSet[Snapshot]):
    """Snapshots of all VMs."""

    queryset = Snapshot.objects.none()  # its model, for the schema
    noun = "snapshot"
    about = "Images of a VM at one moment."
    is_in_navigation = True
    shows = SNAPSHOT_BODY
    filterset_class = SnapshotFilter
    orderings = ("created_at", "updated_at", "name")
    counts_are_kept = True
    query_parameters = {"list": (INCLUDE_DELETED,), "retrieve": (INCLUDE_DELETED,)}
    bodies = {"partial_update": SnapshotUpdate, "destroy": NoBody}

    @staticmethod
    def readable(scope: Scope, *, include_deleted: bool) -> QuerySet[Snapshot]:
        every: SnapshotQuerySet = Snapshot.objects.all()
        if not include_deleted:
            every = every.alive()
        return scope.of(every, field="project_id")

    def reading_options(self) -> dict[str, bool]:
        return {"include_deleted": is_asked(self.request, "include_deleted")}

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        if "vm" not in data:
            return []
        links = [
            ("This snapshot", self.url("snapshot", data["id"])),
            ("Its VM", self.url("vm", data["vm"])),
        ]
        if data["operation_id"] is not None:
            url = self.url("operation", data["operation_id"])
            links.append(("Its last operation", url))
        return links

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        snapshot = snapshots.update(
            self.get_object(),
            actor=self.actor,
            changes=self.body(),
            expect=self.expect,
        )
        return self.item(snapshot)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it and its image."""
        return act(self, snapshots.delete)


class VMSnapshotViewSet(SnapshotViewSet):
    """Snapshots of one VM."""

    bodies = {"create": SnapshotCreate}
    links = {
        "create": {
            "snapshots_retrieve": "id",
            "snapshots_update": "id",
            "snapshots_delete": "id",
            "operations_retrieve": "operation_id",
            "operations_cancel": "operation_id",
        }
    }

    def get_queryset(self) -> QuerySet[Snapshot]:
        vm = self.vm()
        return super().get_queryset().filter(vm=vm)

    def vm(self) -> VM:
        visible = self.access.visible(VM.objects.alive(), "vm.retrieve")
        vm: VM | None = visible.filter(pk=self.kwargs["id"]).first()
        if vm is None:
            raise NotFound(f"No VM {self.kwargs['id']}.")
        self.target = vm
        self.permit(vm.project_id)
        return vm

    def create(self, request: Request, id: Any) -> Response:
        """Take a snapshot. The VM keeps running, but accepts no other action meanwhile."""
        vm, body, actor, expect = self.vm(), self.body(), self.actor, self.expect
        return writes.submit(
            self,
            lambda: snapshots.create(vm, actor=actor, expect=expect, **body),
            project_id=vm.project_id,
            created=True,
        )
