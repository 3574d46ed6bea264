"""The clouds of a project on its page."""

import pytest

from compute.models import Event, Project
from tests.admin.conftest import form, submit, url
from tests.support.console import OPERATOR, Operator, permission, staff


@pytest.mark.usefixtures("other_cloud")
def test_the_clouds_of_a_project_are_one_a_line(
    operator: Operator, lab: Project
) -> None:
    page = operator.get(url(lab))
    assert "Of default, other: one per line" in page
    submit(operator, lab, form(lab, clouds=" other \r\n\r\ndefault"))
    lab.refresh_from_db()
    assert lab.clouds == ["other", "default"]
    event = Event.objects.get(type="project.updated")
    assert (event.actor, event.changes) == (
        OPERATOR,
        {"clouds": [None, ["other", "default"]]},
    )
    assert ">\nother\ndefault</textarea>" in operator.get(url(lab))
    submit(operator, lab, form(lab, clouds=""))
    lab.refresh_from_db()
    assert lab.clouds is None


def test_clouds_that_do_not_exist_are_refused_and_kept_as_typed(
    operator: Operator, lab: Project
) -> None:
    text = submit(operator, lab, form(lab, clouds="default\nmoon"))
    assert "No cloud moon." in text
    assert ">\ndefault\nmoon</textarea>" in text
    lab.refresh_from_db()
    assert lab.clouds is None


def test_a_list_with_a_cloud_that_is_no_more_is_left_alone(
    operator: Operator, lab: Project
) -> None:
    Project.objects.filter(pk=lab.pk).update(clouds=["gone", "default"])
    lab.refresh_from_db()
    values = form(lab, name="lab-2", clouds="gone\r\ndefault")
    assert "changed successfully" in submit(operator, lab, values)
    lab.refresh_from_db()
    assert (lab.name, lab.clouds) == ("lab-2", ["gone", "default"])


def test_a_new_project_can_be_given_its_clouds(operator: Operator) -> None:
    assert (
        "No cloud moon"
        in operator.client.post(
            "/admin/compute/project/add/", {"name": "new", "clouds": "moon"}
        ).content.decode()
    )
    operator.post("compute/project/add/", name="new", clouds="default")
    assert Project.objects.get(name="new").clouds == ["default"]
    names = ("view_project", "add_project")
    adder = staff("adam", *map(permission, names))
    adder.post("compute/project/add/", name="newer", clouds="default")
    assert not Project.objects.filter(name="newer").exists()
    adder.post("compute/project/add/", name="newer", clouds="")
    assert Project.objects.get(name="newer").clouds is None
