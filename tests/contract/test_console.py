"""What operators see: what is gone is said to be gone, and old news does not look new."""

import re
from collections.abc import Callable

import pytest

from compute.api.http.problems import registry
from compute.models import VM, Project, User
from compute.services import vms
from tests.conftest import ALICE
from tests.support.api import Api
from tests.support.console import Operator, staff
from tests.support.factories import SnapshotFactory, VMFactory
from tests.support.rows import one_of_each

MakeVM = Callable[..., VM]

#: A time as Django writes it, without a zone behind it.
NAKED = re.compile(
    r"\b(?:[A-Z][a-z]{2,4}\.? \d{1,2}, \d{4}, (?:\d{1,2}(?::\d\d)? [ap]\.m\.|noon|midnight)"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?![:\d]| UTC))"
)


@pytest.fixture
def operator(project: Project) -> Operator:
    return Operator(User.objects.create_superuser("olga", password="x"))


def shown(page: str) -> str:
    """Return the text of a page, without tags and what they hold."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


# Gone meanwhile


@pytest.mark.parametrize(
    "path",
    ["delete/", "change/", "actions/stop/", "actions/delete/"],
)
def test_a_stale_page_of_a_vm_says_that_it_is_gone(
    operator: Operator, path: str
) -> None:
    vm = VMFactory.create(name="web-1", status="DELETED")
    told = operator.post(f"compute/vm/{vm.pk}/{path}", name="x", version=1)
    assert told == "The VM web-1 is gone."


def test_a_stale_page_of_a_snapshot_says_that_it_is_gone(operator: Operator) -> None:
    snapshot = SnapshotFactory.create(name="before", status="DELETED")
    told = operator.post(f"compute/snapshot/{snapshot.pk}/delete/")
    assert told == "The snapshot before is gone."


def test_a_stale_selection_says_that_it_is_gone(operator: Operator) -> None:
    vm = VMFactory.create(status="DELETED")
    told = operator.post("compute/vm/", action="stop_all", _selected_action=str(vm.pk))
    assert told == "Nothing was done: the selected VMs no longer exist."


def test_who_may_not_delete_is_told_that_first(project: Project) -> None:
    vm = VMFactory.create(status="DELETED")
    visitor = staff("ivan")
    assert visitor.status_of_post(f"compute/vm/{vm.pk}/delete/") == 403


# Buttons, tables, errors


def pages(operator: Operator) -> dict[str, str]:
    """Return one page of every kind of row of ours."""
    return {
        kind: operator.get(f"compute/{kind}/{row.pk}/change/")
        for kind, row in one_of_each(operator.user).items()
    }


def test_a_history_button_is_where_there_is_a_history(operator: Operator) -> None:
    found = pages(operator)
    assert len(found) == 19
    buttons = {kind for kind, page in found.items() if "historylink" in page}
    # Users alone are changed by Django's own forms, which write that history.
    assert buttons == {"user"}
    path = f"compute/user/{operator.user.pk}"
    powers = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
    operator.post(f"{path}/change/", username="olga", email="o@example.org", **powers)
    assert "Changed" in operator.get(f"{path}/history/")


def test_every_time_has_its_zone(operator: Operator) -> None:
    operator.user.last_login = operator.user.date_joined
    operator.user.save()
    for kind, page in pages(operator).items():
        assert NAKED.findall(shown(page)) == [], kind
        assert " UTC" in shown(page), kind
        listed = operator.get(f"compute/{kind}/")
        assert NAKED.findall(shown(listed)) == [], kind
    assert NAKED.search("Nov. 26, 2026, 9:12 p.m.")
    assert NAKED.search("2026-11-26 21:12")
    assert not NAKED.search("2026-11-26 21:12:05 UTC")


def test_a_projects_operations_name_what_they_are_about(
    operator: Operator, project: Project
) -> None:
    first, second = VMFactory.create(name="web-1"), VMFactory.create(name="web-2")
    for vm in (first, second):
        vms.act(vm, "stop", actor=ALICE)
    page = operator.get(f"compute/project/{project.pk}/change/")
    table = page.partition("past-operations")[2].partition("</table>")[0]
    for vm in (first, second):
        assert f'<a href="/admin/compute/vm/{vm.pk}/change/">{vm.name}</a>' in table
    # On its own page there is no need.
    page = operator.get(f"compute/vm/{first.pk}/change/")
    table = page.partition("past-operations")[2].partition("</table>")[0]
    assert "web-1" not in table


ERROR = {"title": "The cloud failed", "code": "openstack-error", "detail": "It burned."}


def test_an_old_error_is_not_red_while_something_new_runs(operator: Operator) -> None:
    vm = VMFactory.create(status="ERROR", error=ERROR, server_id="there")
    path = f"compute/vm/{vm.pk}/change/"
    before = operator.get(path)
    assert '<div class="problem">' in before
    vms.reboot(vm, type=vms.RebootType.HARD, actor=ALICE)
    meanwhile = operator.get(path)
    assert '<div class="problem">' not in meanwhile
    assert '<div class="problem past">' in meanwhile
    assert "It burned." in meanwhile


@pytest.mark.parametrize("code", registry())
def test_no_page_about_a_problem_shows_a_backtick(
    operator: Operator, code: str
) -> None:
    page = operator.client.get(f"/problems/{code}").content.decode()
    assert "`" not in page
    if "`" in registry()[code].explanation:
        assert "<code>" in page.partition("HTTP")[2]


# The browsable API


def test_no_description_shows_a_backtick(operator: Operator, api: Api) -> None:
    vm = VMFactory.create()
    for path in ("", "vms", f"vms/{vm.pk}", f"vms/{vm.pk}/actions/reboot", "auth/me"):
        page = operator.client.get(f"/api/v1/{path}").content.decode()
        assert "`" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL), (
            path
        )


def test_the_root_says_where_the_probes_are(api: Api) -> None:
    listed = api.get("/").json()
    assert listed["health"] == "http://testserver/health"
    assert listed["ready"] == "http://testserver/health/ready"
