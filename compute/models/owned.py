"""What rows have in common: a version, an owner, and for some a cloud that has them."""

import copy
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from django.db import models
from django.utils import timezone

from compute import statements
from compute.limits import (
    DESCRIPTION_RULES,
    LABELS_RULES,
    MAX_NAME,
    NAME_RULES,
)
from compute.models.operation import Operation

M = TypeVar("M", bound="Versioned")

#: What goes with every change, so that an event does not tell it.
NOT_TOLD = frozenset({"operation", "version", "updated_at", "deleted_at"})


class VersionedQuerySet(models.QuerySet[M]):
    def alive(self) -> Self:
        """Return what is not deleted."""
        return self.filter(deleted_at=None)


class Versioned(models.Model):
    """A row of which a client can say which version it knows."""

    #: Fields that change without a user seeing it.
    UNSEEN: ClassVar[frozenset[str]] = frozenset()

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: Counts the changes a user can see; the ETag.
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    _remembered: dict[str, Any]

    class Meta:
        abstract = True

    @classmethod
    def locked(cls, pk: uuid.UUID) -> Self:
        """Return a row as it is now, locked to the end of the transaction.

        Raises the model's DoesNotExist. Every row lock is ``no_key``: a foreign key to
        the row can be checked meanwhile. Otherwise who locks a VM and then its
        snapshot, and who locks the snapshot and writes a row that names the VM, wait
        for each other.
        """
        row = statements.locked(cls, pk)
        row.remember()
        return row

    def remember(self) -> None:
        """Note what the row holds, for `save_changes`."""
        self._remembered = {
            field.attname: _kept(getattr(self, field.attname))
            for field in self._meta.concrete_fields
        }

    def apply_changes(self, changes: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Set fields; return those that differ now: name -> [before, after]."""
        changed = {
            name: [getattr(self, name), value]
            for name, value in changes.items()
            if getattr(self, name) != value
        }
        for name in changed:
            setattr(self, name, changes[name])
        return changed

    def save_changes(self, *, touch: bool = False) -> None:
        """Save what differs from what was read under the lock.

        A change that a user can see is a new version; ``touch``: something that the
        row does not hold has changed what users see of it.
        """
        names = {
            field.name
            for field in self._meta.concrete_fields
            if getattr(self, field.attname) != self._remembered[field.attname]
        }
        if touch or not self.UNSEEN.issuperset(names):
            self.version += 1
            self.updated_at = timezone.now()
            names |= {"version", "updated_at"}
        if names:
            statements.update(self, names)
            self.remember()

    def visible_changes(self) -> dict[str, list[Any]]:
        """Return what `save_changes` would save that a user can see, as JSON has it."""
        return {
            field.attname: [_plain(before), _plain(after)]
            for field in self._meta.concrete_fields
            if field.name not in self.UNSEEN | NOT_TOLD
            and (before := self._remembered[field.attname])
            != (after := getattr(self, field.attname))
        }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value


def _kept(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


class Owned(Versioned):
    """A row of a project."""

    #: How operations and events name things of its kind: see `compute.models.kinds`.
    kind: ClassVar[str]

    project = models.ForeignKey(
        "compute.Project",
        on_delete=models.PROTECT,
        related_name="%(class)ss",
        db_index=False,  # others begin with it
    )
    name = models.CharField(max_length=MAX_NAME, validators=NAME_RULES)
    labels = models.JSONField(default=dict, blank=True, validators=LABELS_RULES)
    #: Whether the project's quotas count it.
    counted = models.BooleanField(default=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: operations and events name the row for good."""
        raise TypeError("a row with a history is marked as deleted")


class CloudResource(Owned):
    """A row that a cloud has something for, made and changed by operations."""

    #: Each kind has a state machine of its own.
    status: Any

    #: Alias of the cloud it lives in.
    cloud = models.CharField(max_length=64)
    description = models.TextField(blank=True, default="", validators=DESCRIPTION_RULES)
    #: The newest operation, whether it lives or has ended.
    operation = models.ForeignKey(
        "compute.Operation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    #: The problem of the last failure while it still suffers from it; in ERROR the one
    #: that led there.
    error = models.JSONField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def live_operation(self) -> Operation | None:
        """The operation that occupies it; costs a query."""
        return Operation.objects.occupying(self.kind, self.pk)
