"""Flavor and Image: what a cloud offers, copied so that requests never ask it."""

import uuid
from contextlib import suppress
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone


class FlavorQuerySet(models.QuerySet["Flavor"]):
    def offered(self) -> Self:
        """Return the flavors the cloud still had at its last listing."""
        return self.filter(vanished_at=None)


class ImageQuerySet(models.QuerySet["Image"]):
    def offered(self) -> Self:
        """Return the images a VM can be made from now."""
        return self.filter(vanished_at=None, status=Image.ACTIVE)


class CatalogEntry(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: Alias of the cloud that offers it.
    cloud = models.CharField(max_length=64)
    #: The cloud's own id.
    provider_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    #: When the cloud stopped offering it. Never removed: VMs point here.
    vanished_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def has_id(self, reference: str) -> bool:
        """Whether a reference is its id, ours or the cloud's, and not its name."""
        return reference == self.provider_id or reference.lower() == str(self.pk)


class Flavor(CatalogEntry):
    vcpus = models.PositiveIntegerField()
    ram_mb = models.PositiveIntegerField()
    disk_gb = models.PositiveIntegerField()

    objects = FlavorQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("cloud", "provider_id"), name="flavor_once_per_cloud"
            ),
        )
        indexes = (models.Index(fields=("name", "id"), name="flavor_by_name"),)


class Image(CatalogEntry):
    #: Glance's word for "can be booted".
    ACTIVE = "active"

    status = models.CharField(max_length=32, default=ACTIVE)
    visibility = models.CharField(max_length=16, default="public")
    size_bytes = models.BigIntegerField(null=True, blank=True)
    min_disk_gb = models.PositiveIntegerField(default=0)
    min_ram_mb = models.PositiveIntegerField(default=0)
    #: The owner of a snapshot's image; ``None`` for what everybody may use.
    project = models.ForeignKey(
        "compute.Project",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="images",
    )

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("cloud", "provider_id"), name="image_once_per_cloud"
            ),
        )
        indexes = (models.Index(fields=("name", "id"), name="image_by_name"),)


def by_reference(reference: str) -> Q:
    """Return the condition for a flavor or image named as a client names it.

    A client may send the name, our id, or the cloud's id.
    """
    condition = Q(name=reference) | Q(provider_id=reference)
    with suppress(ValueError):
        condition |= Q(id=uuid.UUID(reference))
    return condition
