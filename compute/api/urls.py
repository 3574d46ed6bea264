"""Everything the API offers."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from compute.api.catalog import FlavorViewSet, ImageViewSet
from compute.api.operations import OperationViewSet
from compute.api.root import Nothing, Root
from compute.api.snapshots import SnapshotViewSet, VMSnapshotViewSet
from compute.api.vms import VMViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("vms", VMViewSet, basename="vm")
router.register("snapshots", SnapshotViewSet, basename="snapshot")
router.register("operations", OperationViewSet, basename="operation")
router.register("flavors", FlavorViewSet, basename="flavor")
router.register("images", ImageViewSet, basename="image")

urlpatterns = [
    path("", Root.as_view(), name="root"),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path(
        "vms/<uuid:id>/snapshots",
        VMSnapshotViewSet.as_view({"get": "list", "post": "create"}),
        name="vm-snapshots",
    ),
    *router.urls,
    path("<path:rest>", Nothing.as_view()),
]
