"""How PostgreSQL reads the lists of networks, and of all that belongs to them.

Every ordering with every filter. These tables are small beside that of VMs: what has no
index of its own reads a table once; what is asked for most, a page of what there is,
reads that page.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from compute.api.floating_ips import FloatingIPViewSet
from compute.api.networks import NetworkViewSet, SubnetViewSet
from compute.api.routers import RouterViewSet
from compute.api.security_groups import (
    SecurityGroupRuleViewSet,
    SecurityGroupViewSet,
)
from compute.models import FloatingIP, Network, Role, SecurityGroup
from tests.api.test_plans import TIMES, plans, rows_looked_at
from tests.support.api import Api, as_user
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.many_networks import ROWS, make_many_networks

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

LISTS: dict[str, Any] = {
    "/networks": NetworkViewSet,
    "/subnets": SubnetViewSet,
    "/routers": RouterViewSet,
    "/floating-ips": FloatingIPViewSet,
    "/security-groups": SecurityGroupViewSet,
    "/security-group-rules": SecurityGroupRuleViewSet,
}
#: For an ordering alone, and with one of these filters: a page of 21, of which one row in
#: twenty is the member's, or all that the member has, and something to spare.
CHEAP, FEW = ("id", "project", "network", "security_group", "vm"), 600
#: Else a table once, and a page with what is joined to it.
ONCE = ROWS + FEW


def values(project: Any) -> dict[str, tuple[str, ...]]:
    """Return what each filter is given: something common, rare, and not there."""
    nothing = str(project.pk)
    return {
        "id": (str(Network.objects.all()[0].pk), nothing),
        "name": (Network.objects.all()[0].name, "nobody"),
        "name__contains": ("a", "zq", "no-such-name"),
        "status": ("ACTIVE", "ERROR", "CREATING,DELETING"),
        "cloud": ("default", "nowhere"),
        "project": (str(project.pk),),
        "search": ("a", "no-such-name", nothing[:8]),
        "label_selector": ("env=prod", "env=none", "!env"),
        "external": ("true", "false"),
        "shared": ("true", "false"),
        "network": (str(Network.objects.all()[0].pk), nothing),
        "vm": (nothing,),
        "address": (FloatingIP.objects.all()[0].address, "192.0.2.1"),
        "security_group": (str(SecurityGroup.objects.all()[0].pk), nothing),
        "direction": ("ingress", "egress"),
        **dict.fromkeys(
            ("created_at__gte", "created_at__lt", "updated_at__gte", "updated_at__lt"),
            TIMES,
        ),
    }


def questions(known: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, int]]:
    """Yield every ordering with every filter, and how many rows it may look at."""
    for path, view in LISTS.items():
        for name in view.orderings:
            for ordering in (name, f"-{name}"):
                asked = f"{path}?cursor=&ordering={ordering}"
                yield asked, FEW
                for parameter in view.filterset_class.base_filters:
                    most = FEW if parameter in CHEAP else ONCE
                    for value in known[parameter]:
                        yield f"{asked}&{parameter}={quote(value)}", most


@pytest.mark.parametrize("who", ["operator", "member of one", "member of three"])
def test_a_page_reads_no_more_than_it_must(api: Api, who: str) -> None:
    projects = make_many_networks()
    if who != "operator":
        user = UserFactory.create()
        for project in projects[:1] if who == "member of one" else projects[1:4]:
            MembershipFactory.create(user=user, project=project, role=Role.READER)
        api = as_user(user)
    costly = [
        f"{question} {rows_looked_at(plan)}"
        for question, most in questions(values(projects[0]))
        for plan in plans(api, question)
        if rows_looked_at(plan) > most
    ]
    assert not costly, "\n".join(costly)
