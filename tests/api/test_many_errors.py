"""However much is wrong, a problem stays small, and says how much more there is."""

from typing import Any

import pytest

from compute.errors import MAX_ERROR_TEXT, MAX_ERRORS
from compute.models import Project
from tests.support.api import Api, as_user, problem
from tests.support.factories import MembershipFactory


def test_the_first_fifty_are_told(api: Api) -> None:
    body = {f"field-{number}": 0 for number in range(80)}
    document = problem(api.post("/vms", body), 400, "validation-error")
    assert [row["pointer"] for row in document["errors"]] == [
        f"#/field-{number}" for number in range(MAX_ERRORS)
    ]
    assert document["more_errors"] == 30
    assert document["detail"] == "80 fields are not valid."


def test_those_of_an_object_inside_are_told_by_their_place(
    api: Api, project: Project
) -> None:
    body = {"vms": {f"a/{number}": 0 for number in range(80)}}
    refused = api.patch(f"/projects/{project.pk}/quota", body)
    document = problem(refused, 400, "validation-error")
    assert document["errors"][0]["pointer"] == "#/vms/a~10"
    assert document["more_errors"] == 30


def test_few_come_without_a_number(api: Api) -> None:
    document = problem(api.post("/vms", {}), 400, "validation-error")
    assert len(document["errors"]) == 3
    assert "more_errors" not in document


@pytest.mark.parametrize(
    "body",
    [
        {"n" * 250_000: 1},
        {"type": "HARD" * 60_000},
        {"labels": {"l" * 250_000: "x"}},
    ],
)
def test_what_was_sent_is_not_sent_back_whole(
    api: Api, body: dict[str, Any], make_vm: Any
) -> None:
    vm = make_vm()
    for method, path in (
        ("POST", f"/vms/{vm.pk}/actions/reboot"),
        ("PATCH", f"/vms/{vm.pk}"),
    ):
        document = problem(api.call(method, path, body), 400, "validation-error")
        for row in document["errors"]:
            assert all(len(text) <= MAX_ERROR_TEXT + 1 for text in row.values())


def test_parameters_are_cut_too(api: Api) -> None:
    query = "&".join(f"p{number}=1" for number in range(80))
    document = problem(api.get(f"/vms?{query}"), 400, "validation-error")
    assert len(document["errors"]) == MAX_ERRORS
    assert document["more_errors"] == 30


@pytest.mark.parametrize("body", [{}, {"name": 1}, b"{"])
def test_who_may_not_is_told_so_before_the_body_is_looked_at(
    project: Project, body: Any
) -> None:
    reader = as_user(MembershipFactory.create(project=project, role="reader").user)
    response = reader.client.post("/api/v1/vms", body, content_type="application/json")
    problem(response, 403, "permission-denied")
