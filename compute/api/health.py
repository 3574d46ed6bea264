"""/health for who restarts the service, /health/ready for who sends it traffic."""

from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compute.api import readiness
from compute.api.http.guarded import GuardedView
from compute.api.http.problems import NotAuthentic, NotReady
from compute.api.http.renderers import JSONRenderer, answer
from compute.bodies.health import CLOUD_HEALTH_BODY, HEALTH_BODY, READY_BODY
from compute.models import CloudService
from compute.models.cloud import COMPUTE

OK = {"status": "ok"}
ALIVE = answer(OK)


class Health(APIView):
    """Report that the process answers. Touches nothing else."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = ("get", "head")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view. It answers plain GETs, as probes send, without DRF."""
        whole = super().as_view(**initkwargs)

        def view(request: HttpRequest) -> HttpResponseBase:
            is_plain = request.META.get("HTTP_ACCEPT", "*/*") == "*/*"
            if not is_plain or request.method not in ("GET", "HEAD"):
                return whole(request)
            return HttpResponse(
                ALIVE,
                content_type=JSONRenderer.media_type,
                headers={"Vary": "Accept", "Allow": "GET, HEAD"},
            )

        return update_wrapper(view, whole)

    @extend_schema(responses=HEALTH_BODY, tags=["health"])
    def get(self, request: Request) -> Response:
        return Response(OK)


class Ready(GuardedView):
    """Check the database, the broker and the disk, at most once a second.

    The clouds are reported, not checked: while one is away the service still answers
    reads, and a restart would not help.
    """

    permission_classes = (AllowAny,)
    # Probes are not; who shows a key is.
    is_limited = False
    more_problems = {"get": (503,)}
    http_method_names = ("get", "head")

    @extend_schema(responses=READY_BODY, tags=["health"], auth=[])
    def get(self, request: Request) -> Response:
        checks = readiness.checks()
        failed = [name for name, result in checks.items() if result != "ok"]
        if failed:
            raise NotReady(f"Not available: {', '.join(failed)}.", checks=checks)
        answer = {"status": "ok", "checks": checks}
        if self.is_for_an_operator():
            answer["clouds"] = {
                row.cloud_id: CLOUD_HEALTH_BODY.show(row)
                for row in CloudService.objects.filter(service=COMPUTE)
            }
        return Response(answer)

    def perform_authentication(self, request: Request) -> None:
        """Let probes in: they have no key, and without a database none can be read."""

    def is_for_an_operator(self) -> bool:
        """Find out who asks. Who shows a key is counted, as everywhere."""
        if self.request.headers.keys() & {"Authorization", "Cookie"}:
            try:
                super().perform_authentication(self.request)
            except NotAuthentic:
                return False
        user = self.request.user
        return (
            self.access.token is None
            and user.is_staff
            and user.has_perm("compute.view_cloud")
        )
