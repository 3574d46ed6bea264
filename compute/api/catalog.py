"""Flavors and images: what a cloud offers, from our copy of it."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from compute.api.http import filters
from compute.api.http.viewset import ResourceViewSet
from compute.models import Flavor, Image
from compute.models.catalog import CatalogEntry, ImageQuerySet


class DeprecationSerializer(serializers.Serializer[Any]):
    unavailable_after = serializers.DateTimeField()


class CatalogSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    cloud = serializers.CharField()
    provider_id = serializers.CharField(help_text="The cloud's own id.")
    deprecation = serializers.SerializerMethodField(
        help_text="Since when the cloud no longer offers it, or null."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(DeprecationSerializer(allow_null=True))
    def get_deprecation(self, entry: CatalogEntry) -> dict[str, Any] | None:
        if entry.vanished_at is None:
            return None
        return {"unavailable_after": entry.vanished_at}

    def common(self, entry: CatalogEntry) -> dict[str, Any]:
        return {
            "id": entry.id,
            "name": entry.name,
            "cloud": entry.cloud,
            "provider_id": entry.provider_id,
            "deprecation": self.get_deprecation(entry),
            "created_at": entry.created_at,
            "updated_at": entry.updated_at,
        }


class FlavorSerializer(CatalogSerializer):
    """A size of VM."""

    vcpus = serializers.IntegerField()
    ram_mb = serializers.IntegerField()
    disk_gb = serializers.IntegerField()

    def to_representation(self, flavor: Flavor) -> dict[str, Any]:
        return {
            **self.common(flavor),
            "vcpus": flavor.vcpus,
            "ram_mb": flavor.ram_mb,
            "disk_gb": flavor.disk_gb,
        }


class ImageSerializer(CatalogSerializer):
    """What a VM can be made from."""

    status = serializers.CharField(help_text="Glance's word, in capitals.")
    visibility = serializers.CharField(help_text="Glance's word, in capitals.")
    size_bytes = serializers.IntegerField(allow_null=True)
    min_disk_gb = serializers.IntegerField()
    min_ram_mb = serializers.IntegerField()
    project = serializers.UUIDField(
        allow_null=True, help_text="The owner of a snapshot's image."
    )

    def to_representation(self, image: Image) -> dict[str, Any]:
        return {
            **self.common(image),
            "status": image.status.upper(),
            "visibility": image.visibility.upper(),
            "size_bytes": image.size_bytes,
            "min_disk_gb": image.min_disk_gb,
            "min_ram_mb": image.min_ram_mb,
            "project": image.project_id,
        }


class CatalogFilter(filters.NamedFilterSet):
    cloud = filters.TextIn(help_text="These clouds.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")


# By id also what is no longer offered: VMs refer to it.


class FlavorViewSet(ResourceViewSet[Flavor]):
    """Flavors: the sizes of VMs."""

    queryset = Flavor.objects.none()  # its model, for the schema
    noun = "flavor"
    serializer_class = FlavorSerializer
    filterset_class = CatalogFilter
    orderings = ("name", "vcpus", "ram_mb", "disk_gb", "created_at")
    default_ordering = "name"

    def get_queryset(self) -> QuerySet[Flavor]:
        if self.action == "retrieve":
            return Flavor.objects.all()
        return Flavor.objects.offered()


class ImageViewSet(ResourceViewSet[Image]):
    """Images: what VMs are made from."""

    queryset = Image.objects.none()  # its model, for the schema
    noun = "image"
    serializer_class = ImageSerializer
    filterset_class = CatalogFilter
    orderings = ("name", "created_at")
    default_ordering = "name"

    def get_queryset(self) -> QuerySet[Image]:
        every: ImageQuerySet = Image.objects.all()
        if self.action == "list":
            every = every.offered()
        if self.access.is_operator_for(self.permission):
            return every
        # What has no project everybody may boot from.
        own = self.access.reach(self.permission, field="project_id")
        return every.filter(Q(project=None) | own)
