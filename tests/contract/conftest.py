import pytest

from compute.models import Project
from tests.support.api import Api
from tests.support.populated_projects import Place, settle


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]
