import pytest

from compute.models import Project
from tests.api.client import Api


@pytest.fixture
def api(project: Project) -> Api:
    return Api()
