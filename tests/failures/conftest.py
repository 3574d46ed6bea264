"""What the tests of failures share with those of the services: time that they move."""

import pytest

from compute.models import Project
from tests.services.conftest import clock, play
from tests.support.api import Api

__all__ = ["clock", "play"]


@pytest.fixture
def api(project: Project) -> Api:
    return Api()
