"""Floating IPs: /floating-ips."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.actions import act, offer
from compute.api.http import filters
from compute.api.http.fields import Line, Name, NoBody
from compute.api.networks import (
    NetworkResourceViewSet,
    ResourceCreate,
    ResourceFilter,
    ResourceUpdate,
)
from compute.bodies.networks import FLOATING_IP_BODY
from compute.models import FloatingIP
from compute.services import floating_ips
from compute.services.actions import FLOATING_IP_ACTIONS


class FloatingIPCreate(ResourceCreate):
    example = {"vm": "web-1"}

    name = Name(required=False, help_text="Its address is name enough.")
    network = Line(
        required=False,
        help_text="Name or id of an external network; if omitted, the cloud's only one.",
    )
    vm = Line(required=False, help_text="Name or id of a VM that it shall lead to.")
    fixed_ip = Line(
        required=False, help_text="Which address of the VM, if it has several."
    )


class FloatingIPFilter(ResourceFilter):
    address = filters.TextIn(help_text="These addresses.")
    vm = filters.UUIDIn(help_text="Leading to these VMs.")


@offer(FLOATING_IP_ACTIONS.values())
class FloatingIPViewSet(NetworkResourceViewSet[FloatingIP]):
    """Floating IPs: addresses of external networks that lead to VMs."""

    queryset = FloatingIP.objects.none()  # its model, for the schema
    noun = "floating IP"
    about = "Addresses of external networks that lead to VMs."
    is_in_navigation = True
    shows = FLOATING_IP_BODY
    filterset_class = FloatingIPFilter
    counts_are_kept = True
    bodies = {
        "create": FloatingIPCreate,
        "partial_update": ResourceUpdate,
        "destroy": NoBody,
    }

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        links = [*super().related(data)]
        if data.get("vm") is not None:
            links.append(("Its VM", self.url("vm", data["vm"])))
        return links

    def label_of(self, row: Any) -> str:
        label: str = row["name"] or row["address"] or row["id"]
        return label

    def create(self, request: Request) -> Response:
        """Take an address, and with `vm` lead it there."""
        return self.begin_create(floating_ips.create)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        return self.change_own(floating_ips.update)

    def destroy(self, request: Request, id: Any) -> Response:
        """Give the address back, wherever it leads."""
        return act(self, floating_ips.delete)
