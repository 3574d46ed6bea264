import pytest

from compute.models import Project
from tests.support.api import Api


@pytest.fixture
def api(project: Project) -> Api:
    return Api()
