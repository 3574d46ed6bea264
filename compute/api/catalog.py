"""Flavors and images: what a cloud offers, from our copy of it."""

from django.db.models import Q, QuerySet

from compute.api.http import filters
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.catalog import FLAVOR_BODY, IMAGE_BODY
from compute.models import Flavor, Image
from compute.models.catalog import ImageQuerySet


class CatalogFilter(filters.NamedFilterSet):
    cloud = filters.TextIn(help_text="These clouds.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")


# By id also what is no longer offered: VMs refer to it.


class FlavorViewSet(ResourceViewSet[Flavor]):
    """Flavors: the sizes of VMs."""

    queryset = Flavor.objects.none()  # its model, for the schema
    noun = "flavor"
    about = "The sizes of VMs."
    is_in_navigation = True
    shows = FLAVOR_BODY
    filterset_class = CatalogFilter
    orderings = ("name", "vcpus", "ram_mb", "disk_gb", "created_at")
    default_ordering = "name"

    def get_queryset(self) -> QuerySet[Flavor]:
        if self.action == "retrieve":
            return Flavor.objects.all()
        return Flavor.objects.offered()


class ImageViewSet(ResourceViewSet[Image]):
    """Images: what VMs are created from."""

    queryset = Image.objects.none()  # its model, for the schema
    noun = "image"
    about = "What VMs are created from."
    is_in_navigation = True
    shows = IMAGE_BODY
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
