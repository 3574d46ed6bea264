"""Flavors and images: what a cloud offers, from our copy of it."""

from django.db.models import Q, QuerySet

from compute.access import ALL, Scope
from compute.api.http import filters
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.catalog import FLAVOR_BODY, IMAGE_BODY
from compute.models import Flavor, Image


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

    @staticmethod
    def readable(scope: Scope, *, offered: bool) -> QuerySet[Flavor]:
        return Flavor.objects.offered() if offered else Flavor.objects.all()

    def reading_options(self) -> dict[str, bool]:
        return {"offered": self.action == "list"}


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

    @staticmethod
    def readable(scope: Scope, *, offered: bool) -> QuerySet[Image]:
        images = Image.objects.offered() if offered else Image.objects.all()
        if scope == ALL:
            return images
        # What has no project everybody may boot from.
        return images.filter(Q(project=None) | scope.condition("project_id"))

    def reading_options(self) -> dict[str, bool]:
        return {"offered": self.action == "list"}
