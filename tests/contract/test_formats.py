"""`?format=` is honoured by the OpenAPI file and refused by everything else."""

import pytest

from compute.models import Project
from tests.support.api import Api, errors, problem

pytestmark = pytest.mark.once


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


@pytest.mark.parametrize("accept", ["*/*", "application/yaml", "text/html"])
def test_the_file_comes_as_json_if_that_is_asked_for(api: Api, accept: str) -> None:
    response = api.get("/schema?format=json", Accept=accept)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["openapi"] == "3.1.1"


def test_the_file_comes_as_yaml_if_that_is_asked_for(api: Api) -> None:
    response = api.get("/schema?format=yaml", Accept="application/json")
    assert response.headers["Content-Type"].startswith("application/yaml")
    assert response.content.startswith(b"openapi: 3.1.1\n")


@pytest.mark.parametrize(
    ("query", "code"), [("format=xml", "invalid_choice"), ("lang=de", "unknown")]
)
def test_what_is_no_format_is_a_problem_in_json(
    api: Api, query: str, code: str
) -> None:
    name = query.partition("=")[0]
    assert errors(api.get(f"/schema?{query}")) == [(name, code)]
    problem(api.post("/schema"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    "path", ["/", "/vms", "/vms/{id}", "/auth/me", "/projects/{id}/quota", "/docs"]
)
def test_elsewhere_it_is_refused(api: Api, project: Project, path: str) -> None:
    path = path.format(id=project.pk)
    assert errors(api.get(f"{path}?format=json")) == [("format", "unknown")]


def test_logging_in_takes_no_parameters_either() -> None:
    answer = Api("").post("/auth/tokens?format=json", {})
    assert errors(answer) == [("format", "unknown")]
