"""Networks and their subnets: /networks, /subnets."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.access import ALL, Scope
from compute.api.actions import act, offer
from compute.api.http import filters, writes
from compute.api.http.fields import (
    Flag,
    Id,
    Labels,
    Line,
    Lines,
    Name,
    Names,
    NoBody,
    RequestBody,
)
from compute.api.http.parameters import INCLUDE_DELETED, is_asked
from compute.api.http.viewset import M, ResourceViewSet
from compute.bodies.networks import NETWORK_BODY, SUBNET_BODY
from compute.limits import MAX_DESCRIPTION
from compute.models import Network, ResourceStatus, Subnet
from compute.services import networks, subnets
from compute.services.actions import SUBNET_ACTIONS

PROJECT = (
    "If omitted, the API token's project, or the default project if you may create "
    "there."
)


class ResourceCreate(RequestBody):
    """What all of Neutron's nouns take."""

    name = Name()
    project = Id(required=False, help_text=PROJECT)
    cloud = Line(
        required=False, help_text="Alias; the project's default cloud if not given."
    )
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)


class ResourceUpdate(RequestBody):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    example = {"description": "For the shop."}

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)


class ResourceFilter(filters.NamedFilterSet, filters.UpdatedFilterSet):
    status = filters.ChoiceIn(ResourceStatus, help_text="These statuses.")
    cloud = filters.TextIn(help_text="These clouds.")
    project = filters.UUIDIn(help_text="These projects.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")
    label_selector = filters.LabelSelector()


class NetworkResourceViewSet(ResourceViewSet[M]):
    """What the viewsets of Neutron's nouns share."""

    orderings: ClassVar[Sequence[str]] = ("created_at", "updated_at", "name")
    query_parameters = {"list": (INCLUDE_DELETED,), "retrieve": (INCLUDE_DELETED,)}

    @classmethod
    def readable(cls, scope: Scope, *, include_deleted: bool) -> QuerySet[Any]:
        model: Any = cls.queryset.model  # type: ignore[union-attr]  # each has one
        every = model.objects.with_operation()
        if not include_deleted:
            every = every.alive()
        if scope == ALL or not model._meta.get_field("project").null:
            found: QuerySet[Any] = scope.of(every, field="project_id")
            return found
        # What has no project the cloud offers to all.
        offered: QuerySet[Any] = every.filter(
            Q(project=None) | scope.condition("project_id")
        )
        return offered

    def reading_options(self) -> dict[str, bool]:
        return {"include_deleted": is_asked(self.request, "include_deleted")}

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        if data.get("operation_id") is None:
            return []
        url = self.url("operation", data["operation_id"])
        return [("Its last operation", url)]

    def begin_create(self, service: Any) -> Response:
        """Call a service that makes something of the body, in the project it names."""
        self.access.require_somewhere(self.permission)
        body, actor = self.body(), self.actor
        project = self.project(body.pop("project", None))
        return writes.submit(
            self,
            lambda: service(project=project, actor=actor, **body),
            project_id=project.pk,
            created=True,
        )

    def change_own(self, service: Any) -> Response:
        """Call a service that changes what is ours alone."""
        row = service(
            self.get_object(), actor=self.actor, changes=self.body(), expect=self.expect
        )
        return self.item(row)


class NetworkCreate(ResourceCreate):
    example = {"name": "web", "cidr": "10.1.0.0/24", "internet": True}

    cidr = Line(required=False, help_text="With a subnet of this range.")
    internet = Flag(
        required=False,
        help_text="With a router to the cloud's external network. Needs a `cidr`.",
    )


class NetworkFilter(ResourceFilter):
    external = filters.YesNo(help_text="Whether floating IPs come from it.")
    shared = filters.YesNo(help_text="Whether the cloud offers it to all.")


class NetworkViewSet(NetworkResourceViewSet[Network]):
    """Networks: your projects' own, and those that the clouds offer to all."""

    queryset = Network.objects.none()  # its model, for the schema
    noun = "network"
    about = "Networks that VMs are on."
    is_in_navigation = True
    shows = NETWORK_BODY
    filterset_class = NetworkFilter
    bodies = {
        "create": NetworkCreate,
        "partial_update": ResourceUpdate,
        "destroy": NoBody,
    }
    links = {
        "create": {
            "networks_retrieve": "id",
            "networks_update": "id",
            "networks_delete": "id",
            "operations_retrieve": "operation_id",
        }
    }

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        links = [*super().related(data)]
        if "id" in data:
            url = f"{reverse('subnet-list')}?network={data['id']}"
            links.append(("Its subnets", url))
        return links

    def create(self, request: Request) -> Response:
        """Create a network; with a `cidr` a subnet too, with `internet` also a router.

        It is made in several steps. If one of them fails, those before it are undone.
        """
        return self.begin_create(networks.create)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        return self.change_own(networks.update)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it and its subnets, once no VM and no router is on it."""
        return act(self, networks.delete)


#: For DRF's list of bodies, which its types do not know.
MOST_POOLS: Any = {"max_length": subnets.MAX_POOLS}


class Pool(RequestBody):
    start = Line()
    end = Line()


class SubnetCreate(RequestBody):
    example = {"network": "web", "cidr": "10.1.1.0/24", "name": "web-2"}

    name = Name()
    network = Line(help_text="Name or id of a network of the project.")
    cidr = Line(help_text="The range: `10.1.0.0/24`, `fd00:1::/64`.")
    project = Id(required=False, help_text=PROJECT)
    gateway_ip = Line(
        required=False,
        allow_null=True,
        help_text="If omitted, the first address; null: none.",
    )
    dns_nameservers = Names(required=False, max_length=subnets.MAX_NAMESERVERS)
    dhcp = Flag(required=False)
    allocation_pools = Pool(many=True, required=False, **MOST_POOLS)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)


class SubnetFilter(ResourceFilter):
    network = filters.UUIDIn(help_text="Of these networks.")


@offer(SUBNET_ACTIONS.values())
class SubnetViewSet(NetworkResourceViewSet[Subnet]):
    """Subnets: the ranges of addresses of networks."""

    queryset = Subnet.objects.none()  # its model, for the schema
    noun = "subnet"
    about = "The ranges of addresses of networks."
    shows = SUBNET_BODY
    filterset_class = SubnetFilter
    bodies = {
        "create": SubnetCreate,
        "partial_update": ResourceUpdate,
        "destroy": NoBody,
    }

    def create(self, request: Request) -> Response:
        """Create a subnet of a network."""
        return self.begin_create(subnets.create)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        return self.change_own(subnets.update)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it, once no router and no VM has an address of it."""
        return act(self, subnets.delete)
