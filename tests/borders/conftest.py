"""Two projects whose admins do not trust each other, and an operator."""

import pytest

from compute.models import Project, User
from tests.support.console import Operator
from tests.support.factories import MembershipFactory, ProjectFactory


@pytest.fixture
def operator(db: None) -> Operator:
    """Olga, a superuser, in a browser."""
    return Operator(User.objects.create_superuser("olga", password="x"))


@pytest.fixture
def shop(db: None) -> Project:
    project: Project = ProjectFactory.create(name="shop")
    return project


@pytest.fixture
def admin(shop: Project) -> User:
    """The admin of the shop, who runs nothing else."""
    user: User = MembershipFactory.create(
        project=shop, role="admin", user__username="mallory"
    ).user
    return user
