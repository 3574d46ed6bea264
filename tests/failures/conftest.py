"""What the tests of failures share with those of the services: time that they move."""

from typing import Any

import pytest

from compute.models import Project
from tests.services.conftest import clock, play
from tests.support.api import Api
from tests.support.console import Operator

__all__ = ["clock", "play"]


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


@pytest.fixture
def operator(admin_user: Any) -> Operator:
    return Operator(admin_user)
