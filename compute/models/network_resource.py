"""What networks and all that belongs to them have in common."""

from typing import Any, ClassVar, TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_fsm import RETURN_VALUE, FSMField, FSMModelMixin, transition

from compute.models.operation import LIVE
from compute.models.owned import CloudResource, VersionedQuerySet

R = TypeVar("R", bound="NetworkResource")


class ResourceStatus(models.TextChoices):
    CREATING = "CREATING", "Creating"
    ACTIVE = "ACTIVE", "Active"
    UPDATING = "UPDATING", "Updating"
    DELETING = "DELETING", "Deleting"
    ERROR = "ERROR", "Error"
    DELETED = "DELETED", "Deleted"


S = ResourceStatus
#: An operation is under way in these.
MOVING = (S.CREATING, S.UPDATING, S.DELETING)


class NetworkResourceQuerySet(VersionedQuerySet[R]):
    def with_operation(self) -> "NetworkResourceQuerySet[R]":
        """Join what `NetworkResource.allowed_actions` needs."""
        return self.select_related("operation")


class NetworkResource(FSMModelMixin, CloudResource):
    """A thing of Neutron's; counted until it is gone, or could not be made."""

    UNSEEN = frozenset({"provider_id", "counted"})
    #: What can be asked of one that is ACTIVE, beside a delete.
    ACTIONS: ClassVar[tuple[str, ...]] = ()

    status = FSMField(
        choices=ResourceStatus.choices, default=ResourceStatus.CREATING, protected=True
    )
    #: Neutron's id of it, known from its first answer on.
    provider_id = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        abstract = True
        ordering = ("-created_at", "-id")
        constraints: ClassVar[tuple[models.BaseConstraint, ...]] = (
            models.CheckConstraint(
                condition=Q(status__in=ResourceStatus.values),
                name="%(class)s_status_known",
            ),
            models.CheckConstraint(
                condition=(Q(status="DELETED") & Q(deleted_at__isnull=False))
                | (~Q(status="DELETED") & Q(deleted_at=None)),
                name="%(class)s_deleted_has_time",
            ),
            models.UniqueConstraint(
                fields=("cloud", "provider_id"),
                condition=~Q(provider_id=""),
                name="%(class)s_owns_its_provider_id",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="%(class)s_created"),
            models.Index(fields=("updated_at", "id"), name="%(class)s_updated"),
            models.Index(fields=("name", "id"), name="%(class)s_named"),
            models.Index(
                fields=("project", "created_at", "id"), name="%(class)s_p_created"
            ),
            models.Index(
                fields=("project", "updated_at", "id"), name="%(class)s_p_updated"
            ),
            models.Index(fields=("project", "name", "id"), name="%(class)s_p_named"),
            models.Index(
                fields=("project", "created_at", "id"),
                condition=Q(deleted_at=None),
                name="%(class)s_alive",
            ),
        )

    @transition("status", source=[S.ACTIVE], target=S.UPDATING)
    def change(self) -> None:
        """Begin to change it in the cloud."""

    @transition("status", source=[S.ACTIVE, S.ERROR], target=S.DELETING)
    def remove(self) -> None:
        """Begin to delete it. `delete` is Django's own method."""

    @transition("status", source=list(MOVING), target=RETURN_VALUE(S.ACTIVE, S.ERROR))
    def settle(self, seen: ResourceStatus) -> ResourceStatus:
        """End an operation on what the cloud says."""
        return seen

    @transition("status", source=[S.CREATING, S.DELETING], target=S.DELETED)
    def mark_deleted(self) -> None:
        """End a delete, or a create that was undone: the row stays."""
        self.deleted_at = timezone.now()

    @transition("status", source=[S.ACTIVE, S.ERROR], target=S.DELETED)
    def vanish(self) -> None:
        """Take over that it was deleted outside."""
        self.deleted_at = timezone.now()

    @property
    def is_offered(self) -> bool:
        """Whether the cloud offers it to all: then it is no project's."""
        owner: Any = self.project_id
        return owner is None

    @property
    def allowed_actions(self) -> tuple[str, ...]:
        "The actions that are allowed now."
        return allowed_actions(
            self.status,
            self.operation.status if self.operation else None,
            has_project=not self.is_offered,
            actions=self.ACTIONS,
        )


def allowed_actions(
    status: str,
    operation_status: str | None,
    *,
    has_project: bool,
    actions: tuple[str, ...],
) -> tuple[str, ...]:
    """Return what would not be refused of it, from what a row of a list holds."""
    if operation_status in LIVE or not has_project:
        return ()
    if status == S.ACTIVE:
        return (*actions, "delete")
    return ("delete",) if status == S.ERROR else ()


def optional_project() -> models.ForeignKey[Any, Any]:
    """Return the project of what the cloud may offer to all: then it has none."""
    return models.ForeignKey(
        "compute.Project",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="%(class)ss",
        db_index=False,  # others begin with it
    )
