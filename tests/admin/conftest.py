"""Operators: one who may do everything, one who may only look."""

import pytest
from django.contrib.auth.models import Permission

from compute.models import User
from tests.support.console import Operator, staff


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator(User.objects.create_superuser("olga", password="x"))


@pytest.fixture
def onlooker(db: None) -> Operator:
    """Staff with every permission to view and no other."""
    return staff("ivan", *Permission.objects.filter(codename__startswith="view_"))
