"""Routers: /routers."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.actions import act, offer
from compute.api.http.fields import Line, NoBody
from compute.api.networks import (
    NetworkResourceViewSet,
    ResourceCreate,
    ResourceFilter,
    ResourceUpdate,
)
from compute.bodies.networks import ROUTER_BODY
from compute.models import Router
from compute.services import routers
from compute.services.actions import ROUTER_ACTIONS


class RouterCreate(ResourceCreate):
    example = {"name": "web", "external_network": "public"}

    external_network = Line(
        required=False, help_text="Name or id of the network its gateway leads to."
    )


@offer(ROUTER_ACTIONS.values())
class RouterViewSet(NetworkResourceViewSet[Router]):
    """Routers: what connects subnets with each other and with an external network."""

    queryset = Router.objects.none()  # its model, for the schema
    noun = "router"
    about = "What connects subnets with each other and with an external network."
    shows = ROUTER_BODY
    filterset_class = ResourceFilter
    counts_are_kept = True
    bodies = {
        "create": RouterCreate,
        "partial_update": ResourceUpdate,
        "destroy": NoBody,
    }

    def create(self, request: Request) -> Response:
        """Create a router."""
        return self.begin_create(routers.create)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        return self.change_own(routers.update)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it, once it has no subnets."""
        return act(self, routers.delete)
