"""Operators: one who may do everything, one who may only look; the page of a project."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from compute.events import Actor
from compute.models import Membership, Project, User
from compute.services import projects
from tests.support.console import Operator, staff


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
