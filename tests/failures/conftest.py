"""What the tests of failures share with those of the services: time that they move."""

import pytest

from compute.models import Project
from tests.api.client import Api
from tests.services.conftest import clock, play

__all__ = ["clock", "play"]


@pytest.fixture
def api(project: Project) -> Api:
    return Api()
