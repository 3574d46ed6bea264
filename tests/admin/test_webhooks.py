"""Webhooks in the console: failures in the open, and what operators do about them."""

import pytest

from compute.events import SYSTEM
from compute.models import Delivery, Event, Project, Webhook
from compute.services import webhooks
from tests.support.console import OPERATOR, Operator, path, permission, staff
from tests.support.webhook_sending import Line, add_webhook, happen, send_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def webhook(project: Project) -> Webhook:
    webhook = add_webhook(project)
    happen(project)
    line = Line()
    line.answers(500)
    send_all(line)
    return webhook


def command(row: object, name: str) -> str:
    return path(row, f"actions/{name}")  # type: ignore[arg-type]  # a row


def test_failures_are_in_the_open(operator: Operator, webhook: Webhook) -> None:
    for page in (operator.get("compute/webhook/"), operator.get(path(webhook))):
        assert "FAILING" in page
        assert "The receiver answered 500." in page
        assert (
            "in 4 s" in page or "in 5 s" in page or "in 3 s" in page or " ago" in page
        )
    page = operator.get(path(Delivery.objects.get()))
    assert "said 500" in page
    for state, there in (("failing", True), ("paused", False), ("disabled", False)):
        listed = operator.get(f"compute/webhook/?state={state}")
        assert (webhook.name in listed) is there


def test_no_page_shows_a_secret(operator: Operator, webhook: Webhook) -> None:
    stored = Webhook.objects.get().secret
    pages = operator.get(path(webhook)) + operator.get("compute/webhook/")
    assert stored not in pages
    assert "whsec_" not in pages


def test_one_is_paused_and_goes_on(operator: Operator, webhook: Webhook) -> None:
    assert "is paused" in operator.post(command(webhook, "pause"))
    assert "PAUSED" in operator.get(path(webhook))
    assert "disabled" in operator.post(command(webhook, "test"))
    assert "paused" in operator.get(path(Delivery.objects.get()))
    assert "goes on" in operator.post(command(webhook, "resume"))
    assert "ENABLED" in operator.get(path(webhook))
    told = Event.objects.filter(type="webhook.updated")
    assert {event.actor for event in told} == {OPERATOR}


def test_a_test_and_a_redelivery_are_asked_for(
    operator: Operator, webhook: Webhook
) -> None:
    delivery = Delivery.objects.get()
    assert "sent again" in operator.post(command(delivery, "redeliver"))
    assert "A test is sent" in operator.post(command(webhook, "test"))
    line = Line()
    send_all(line)
    assert len(line.sent) == 2
    assert "SUCCEEDED" in operator.get(path(delivery))


def test_one_that_the_service_disabled_says_why(
    operator: Operator, project: Project
) -> None:
    webhook = add_webhook(project)
    happen(project)
    send_all(Line(410))
    page = operator.get(path(webhook))
    assert "DISABLED" in page
    assert "410 Gone" in page
    assert webhook.name in operator.get("compute/webhook/?state=disabled")


def test_one_that_is_deleted_takes_nothing(
    operator: Operator, webhook: Webhook
) -> None:
    webhooks.delete(webhook, actor=SYSTEM)
    assert "is gone" in operator.post(command(webhook, "pause"))


def test_who_may_only_look_has_no_buttons(webhook: Webhook) -> None:
    reader = staff("rita", permission("view_webhook"), permission("view_delivery"))
    assert "actions/pause" not in reader.get(path(webhook))
    assert "actions/redeliver" not in reader.get(path(Delivery.objects.get()))
    assert reader.status_of_post(command(webhook, "pause")) == 403
    redeliver = command(Delivery.objects.get(), "redeliver")
    assert reader.status_of_post(redeliver) == 403
