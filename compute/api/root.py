"""/api/v1/: where to go from here, and the answer for everywhere else."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api.http.guarded import GuardedView
from compute.api.http.renderers import NOWHERE
from compute.errors import NotFound


@extend_schema(exclude=True)
class Root(GuardedView):
    """The lists of the API. `docs` explains everything it takes and answers."""

    http_method_names = ("get", "head")
    name = "VM Manager"

    #: Name -> the route behind it, in the order shown.
    routes: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        return Response(
            {
                name: reverse(route, request=request)
                for name, route in self.routes.items()
            }
        )


@extend_schema(exclude=True)
class Nothing(GuardedView):
    """No such URL."""

    name = NOWHERE
    # What exists is no secret: the schema is public.
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(f"There is nothing at {request.path}.")
