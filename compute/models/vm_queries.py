"""How VMs are read, and how their user data is written."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Count

from compute.models.lifecycle import VMStatus
from compute.models.operation import Operation
from compute.models.owned import VersionedQuerySet

if TYPE_CHECKING:
    from compute.models.vm import VM  # noqa: F401  # of the type in quotes


class UserDataEncoding(models.TextChoices):
    """How a client writes user data."""

    PLAIN = "plain", "Plain text"
    BASE64 = "base64", "Base64"


_NOT_IN_LISTS = (
    "user_data",
    *(
        f"operation__{field.name}"
        for field in Operation._meta.concrete_fields
        if field.name not in ("id", "status")
    ),
)


class VMQuerySet(VersionedQuerySet["VM"]):
    def with_operation(self) -> Self:
        """Join no more than `VM.allowed_actions` needs, so that it costs no query."""
        return self.select_related("operation").defer(*_NOT_IN_LISTS)

    def count_by_status(self) -> dict[str, int]:
        """Return how many are in each status, without the deleted ones."""
        # Listed, and not all but one: so the index skips the deleted, which pile up.
        present = [status for status in VMStatus if status != VMStatus.DELETED]
        rows = self.filter(status__in=present).order_by()
        return dict(rows.values_list("status").annotate(vms=Count("*")))
