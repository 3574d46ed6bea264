"""The newest events of all projects, on the start page."""

from django.utils import timezone

from compute.admin.console.latest import SHOWN
from compute.models import Event
from tests.support.console import Operator
from tests.support.factories import ProjectFactory, WebhookFactory

FRAGMENT = "overview/"


def test_they_are_those_of_all_projects(operator: Operator) -> None:
    for name in ("one", "two"):
        project = ProjectFactory.create(name=name)
        Event.objects.create(
            project=project, sequence=1, type=f"vm.{name}", actor="system"
        )
    for path in ("", FRAGMENT):
        text = operator.get(path)
        assert "vm.one" in text
        assert "vm.two" in text


def test_they_are_the_newest(operator: Operator) -> None:
    project = ProjectFactory.create()
    for number in range(2 * SHOWN):
        Event.objects.create(
            project=project, sequence=number + 1, type=f"vm.x{number}", actor="system"
        )
    page = operator.get(FRAGMENT).partition('id="latest-events"')[2]
    assert page.count("<li>") == SHOWN
    assert "vm.x19" in page
    assert "vm.x9" not in page


def test_webhooks_that_were_disabled_are_told_of(operator: Operator) -> None:
    assert "disabled after three days" not in operator.get("")
    webhook = WebhookFactory.create(enabled=False, disabled_at=timezone.now())
    for path in ("", FRAGMENT):
        assert "1 webhook disabled by the service" in operator.get(path)
    listed = operator.get("compute/webhook/?state=disabled")
    assert webhook.name in listed
