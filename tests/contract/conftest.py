import pytest

from compute.models import Project
from tests.api.client import Api
from tests.api.places import Place, settle


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]
