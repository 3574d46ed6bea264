"""The newest events of all projects, on the start page and by themselves."""

from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from compute.admin.console.latest import SHOWN
from compute.models import Event
from tests.support.console import Operator, staff
from tests.support.factories import ProjectFactory, WebhookFactory

FRAGMENT = "latest-events/"


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


def test_they_take_as_many_queries_at_any_number(
    operator: Operator, django_assert_num_queries: Any
) -> None:
    operator.get(FRAGMENT)
    for count in (1, 2 * SHOWN):
        for number in range(count):
            project = ProjectFactory.create()
            Event.objects.create(
                project=project, sequence=number + 1, type="vm.lost", actor="system"
            )
        with django_assert_num_queries(4):  # session, user, webhooks, events
            text = operator.get(FRAGMENT)
    assert text.count("<li>") == SHOWN


def test_they_are_for_who_may_see_events(db: None) -> None:
    vms = staff("ivan", Permission.objects.get(codename="view_vm"))
    vms.get(FRAGMENT, status=403)
    assert "Latest events" not in vms.get("")


def test_webhooks_that_were_disabled_are_told_of(operator: Operator) -> None:
    assert "disabled after three days" not in operator.get("")
    webhook = WebhookFactory.create(enabled=False, disabled_at=timezone.now())
    for path in ("", FRAGMENT):
        assert "1 webhook disabled after three days" in operator.get(path)
    listed = operator.get("compute/webhook/?state=disabled")
    assert webhook.name in listed
