"""Operators who may do everything or only look; a network in use; the page of a project."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from compute.events import Actor
from compute.models import VM, FloatingIP, Membership, Network, Project, User
from compute.services import floating_ips, networks, projects
from compute.services.ports import Wish
from tests.support.console import Operator, staff

MakeVM = Callable[..., VM]
Drain = Callable[[], None]
CIDR = "10.7.0.0/24"


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator(User.objects.create_superuser("olga", password="x"))


@pytest.fixture
def onlooker(db: None) -> Operator:
    """Staff with every permission to view and no other."""
    return staff("ivan", *Permission.objects.filter(codename__startswith="view_"))


@pytest.fixture
def lab(db: None, actor: Actor) -> Project:
    return projects.create(name="lab", actor=actor)


@pytest.fixture
def web(project: Project, catalogue: None, drain: Drain, actor: Actor) -> Network:
    """A network with a subnet and a router to the external network."""
    network = networks.create(
        project=project, actor=actor, name="web", cidr=CIDR, internet=True
    )
    drain()
    return Network.objects.get(pk=network.pk)


@pytest.fixture
def vm(web: Network, make_vm: MakeVM) -> VM:
    return make_vm(networks=[Wish("web", "10.7.0.12")])


@pytest.fixture
def address(project: Project, vm: VM, drain: Drain, actor: Actor) -> FloatingIP:
    """A floating IP that leads to the VM."""
    made = floating_ips.create(project=project, actor=actor, vm=vm.name)
    drain()
    return FloatingIP.objects.get(pk=made.pk)


def url(project: Project, verb: str = "change") -> str:
    return f"compute/project/{project.pk}/{verb}/"


def form(project: Project, *members: Membership, **fields: Any) -> dict[str, Any]:
    """Return the form of a page as a browser would send it untouched."""
    values: dict[str, Any] = {
        "name": project.name,
        "description": project.description,
        "clouds": "\n".join(project.clouds or ()),
        "version": project.version,
        "memberships-TOTAL_FORMS": str(len(members) + 1),
        "memberships-INITIAL_FORMS": str(len(members)),
    }
    for number, member in enumerate(members):
        values |= {
            f"memberships-{number}-id": str(member.pk),
            f"memberships-{number}-project": str(project.pk),
            f"memberships-{number}-user": member.user.username,
            f"memberships-{number}-role": member.role,
        }
    new = f"memberships-{len(members)}"
    return {**values, f"{new}-user": "", f"{new}-role": "", **fields}


def submit(operator: Operator, project: Project, values: dict[str, Any]) -> str:
    """Send the form of a page; return the page that comes of it."""
    response = operator.client.post(f"/admin/{url(project)}", values, follow=True)
    assert response.status_code == 200
    return response.content.decode()
