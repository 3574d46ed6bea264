"""Deliveries that fail: when they are sent again, and when that ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
from django.utils import timezone

from compute.egress import Unreachable
from compute.models import Delivery, Event, Project, Webhook
from compute.services import webhooks
from compute.services.webhooks import Receiver, results
from compute.services.webhooks.claims import LEASE, MAX_IN_FLIGHT, claim
from compute.services.webhooks.results import DELAYS, JITTER, record
from compute.services.webhooks.sending import attempt_now
from tests.conftest import ALICE
from tests.support.webhook_sending import (
    URL,
    Line,
    add_webhook,
    happen,
    send_all,
    send_due,
)

pytestmark = pytest.mark.django_db

HOUR = 3600


@pytest.fixture
def still() -> Iterator[time_machine.Traveller]:
    """Time that stands still until it is moved."""
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        yield clock


@pytest.fixture
def webhook(project: Project, still: time_machine.Traveller) -> Webhook:
    return add_webhook(project)


def advance_to_next(still: time_machine.Traveller) -> float:
    """Move on to the next attempt; return the seconds until then."""
    due = Delivery.objects.pending().order_by("next_attempt_at").first()
    assert due is not None
    assert due.next_attempt_at is not None
    seconds = (due.next_attempt_at - timezone.now()).total_seconds()
    still.shift(seconds - 0.001)
    assert send_due(Line()) == 0, "too early"
    still.shift(0.001)
    return seconds


def fresh(webhook: Webhook) -> Webhook:
    return Webhook.objects.get(pk=webhook.pk)


def disabled(webhook: Webhook) -> list[Event]:
    about = Event.objects.about("webhook", webhook.pk)
    return list(about.filter(type="webhook.disabled"))


def test_the_whole_schedule_under_one_id_then_the_webhook_is_disabled(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    event, line = happen(project), Line(500)
    waits = []
    assert send_due(line) == 1
    for _ in range(9):
        waits.append(round(advance_to_next(still), 3))
        assert not disabled(webhook)
        assert send_due(line) == 1
    hours = [2, 5, 10, 14, 20, 24]
    assert waits == [5, 300, 1800, *(hours_ * HOUR for hours_ in hours)]
    assert line.ids == [str(event.pk)] * 10
    timestamps = {headers["webhook-timestamp"] for _, _, headers in line.sent}
    assert len(timestamps) == 10
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("FAILED", 10)
    assert (delivery.answer_status, delivery.next_attempt_at) == (500, None)
    # Three days have passed by then.
    now = fresh(webhook)
    assert not now.enabled
    assert now.disabled_at is not None
    assert "3 days" in now.disabled_reason
    (told,) = disabled(webhook)
    assert told.actor == "system"
    assert told.changes == {"enabled": [True, False]}
    assert told.details == {"reason": now.disabled_reason}
    assert Webhook.objects.disabled_by_failures().count() == 1
    # And it can go on.
    webhooks.update(now, actor=ALICE, changes={"enabled": True})
    assert Webhook.objects.disabled_by_failures().count() == 0
    assert fresh(webhook).disabled_reason == ""
    webhooks.redeliver(delivery, actor=ALICE)
    send_due(fine := Line())
    assert fine.ids == [str(event.pk)]
    assert Delivery.objects.get(event_id=event.pk).status == "SUCCEEDED"


def test_a_success_in_between_counts(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    first = happen(project)
    send_due(Line(500))
    for _ in range(8):
        advance_to_next(still)
        send_due(Line(500))
    happen(project)
    line = Line()
    send_due(line)
    assert fresh(webhook).failing_since is None
    advance_to_next(still)
    send_due(Line(500))
    assert fresh(webhook).enabled
    delivery = Delivery.objects.get(event_id=first.pk)
    assert (delivery.status, delivery.attempts) == ("FAILED", 10)


def test_no_answer_is_a_failure_too(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    line = Line()

    def nobody() -> None:
        raise Unreachable("Connection refused.")

    line.answer = nobody  # type: ignore[assignment]  # it never returns
    happen(project)
    send_due(line)
    delivery = Delivery.objects.get()
    assert (delivery.answer_status, delivery.error) == (None, "Connection refused.")
    assert round(advance_to_next(still)) == 5


@pytest.mark.parametrize("status", [100, 199, 300, 301, 304, 400, 404, 500, 503])
def test_only_2xx_is_a_success(project: Project, webhook: Webhook, status: int) -> None:
    happen(project)
    send_due(Line(status))
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.answer_status) == ("PENDING", status)
    assert str(status) in delivery.error


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_one(project: Project, webhook: Webhook, status: int) -> None:
    happen(project)
    send_due(Line(status))
    assert Delivery.objects.get().status == "SUCCEEDED"


def test_410_disables_at_once(project: Project, webhook: Webhook) -> None:
    happen(project)
    send_due(Line(410))
    now = fresh(webhook)
    assert (now.enabled, now.disabled_reason) == (
        False,
        "The receiver answered 410 Gone.",
    )
    assert len(disabled(webhook)) == 1
    happen(project)
    assert send_due(Line()) == 0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("1", 5),  # sooner than planned: no
        ("0", 5),
        ("999999999", 24 * HOUR),
        ("-5", 5),
        ("soon", 5),
        ("", 5),
        (format_datetime(datetime(2026, 3, 1, 12, 10, tzinfo=UTC), usegmt=True), 600),
        (format_datetime(datetime(2020, 3, 1, tzinfo=UTC), usegmt=True), 5),
        ("Sun, 01 Mar 2026 12:10:00", 5),
    ],
)
def test_retry_after_is_obeyed(
    project: Project,
    webhook: Webhook,
    still: time_machine.Traveller,
    asked: str,
    seconds: float,
) -> None:
    happen(project)
    line = Line()
    line.answers(429, asked)
    send_due(line)
    due = Delivery.objects.get().next_attempt_at
    assert due == timezone.now() + timedelta(seconds=seconds)


def test_retry_after_is_for_all_of_a_webhook(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    happen(project)
    line = Line()
    line.answers(503, "120")
    send_due(line)
    happen(project)
    assert send_due(line) == 0
    still.shift(119)
    assert send_due(line) == 0
    still.shift(2)
    fine = Line()
    send_all(fine)
    assert len(fine.sent) == 2


def test_what_failed_together_does_not_come_back_together(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    happen(project)
    assert send_due(Line(500)) == 1
    still.shift(DELAYS[0])
    (claimed,) = claim(places=16, slow_places=16)
    record([attempt_now(claimed, Line(500))], jitter=lambda: 1.0)
    due = Delivery.objects.get().next_attempt_at
    assert due == timezone.now() + timedelta(seconds=DELAYS[1] * (1 + JITTER))


# Who sends what


def test_a_sender_that_died_is_followed_by_another(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    happen(project)
    line = Line()
    assert send_due(Line(500)) == 1
    still.shift(5)
    (late,) = claim(places=16, slow_places=16)
    assert claim(places=16, slow_places=16) == []
    still.shift(LEASE.total_seconds() + 1)
    assert send_due(line) == 1
    assert Delivery.objects.get().status == "SUCCEEDED"
    # The first one was not dead: what it says now changes nothing.
    record([attempt_now(late, Line(500))])
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("SUCCEEDED", 2)


def test_one_that_works_is_sent_two_at_a_time_and_one_that_fails_one(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    for _ in range(6):
        happen(project)
    assert send_due(Line(500)) == MAX_IN_FLIGHT
    assert fresh(webhook).failing_since == timezone.now()
    assert send_due(Line(500)) == 1
    assert send_due(Line()) == 1
    assert send_due(Line()) == MAX_IN_FLIGHT


def test_places_go_around(project: Project, still: time_machine.Traveller) -> None:
    """Who has much to get is one of many."""
    for number in range(3):
        add_webhook(project, name=f"w{number}", event_types=["vm.*"])
    for _ in range(4):
        happen(project)
    served = []
    line = Line()
    from compute.services.webhooks import reading

    reading.read()
    for _ in range(4):
        claimed = claim(places=3, slow_places=0)
        assert len(claimed) == 3
        served.append({one.webhook.name for one in claimed})
        record([attempt_now(one, line) for one in claimed])
        still.shift(1)
    assert served == [{"w0", "w1", "w2"}] * 4


def test_slow_ones_take_places_of_their_own(
    project: Project, still: time_machine.Traveller
) -> None:
    slow, quick = add_webhook(project, name="slow"), add_webhook(project, name="quick")
    Webhook.objects.filter(pk=slow.pk).update(is_slow=True)
    for _ in range(3):
        happen(project)
    from compute.services.webhooks import reading

    reading.read()
    names = [one.webhook.name for one in claim(places=16, slow_places=0)]
    assert set(names) == {quick.name}
    names = [one.webhook.name for one in claim(places=16, slow_places=1)]
    assert names == [slow.name]


def test_an_answer_that_took_long_makes_a_webhook_slow(
    project: Project, webhook: Webhook
) -> None:
    happen(project)
    from compute.services.webhooks import reading

    reading.read()
    (claimed,) = claim(places=16, slow_places=16)
    answer = attempt_now(claimed, Line())
    long = results.Result(claimed, answer.started_at, 1.5, answer.answer)
    record([long])
    assert fresh(webhook).is_slow
    version = fresh(webhook).version
    happen(project)
    send_due(Line())
    assert not fresh(webhook).is_slow
    assert fresh(webhook).version == version == 1


# Again


def test_redelivery_is_the_same_event_under_the_same_id(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    event, line = happen(project), Line()
    send_due(line)
    delivery = Delivery.objects.get()
    webhooks.redeliver(delivery, actor=ALICE)
    still.shift(1)
    send_due(line)
    assert line.ids == [str(event.pk)] * 2
    told = Event.objects.filter(type="webhook.redelivered").get()
    assert told.details == {"event": str(event.pk), "type": "vm.updated"}
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("SUCCEEDED", 1)


def test_an_event_that_the_log_has_forgotten_ends(
    project: Project, webhook: Webhook, still: time_machine.Traveller
) -> None:
    happen(project)
    send_due(Line())
    delivery = Delivery.objects.get()
    Delivery.objects.filter(pk=delivery.pk).update(event_id=webhook.pk)
    webhooks.redeliver(delivery, actor=ALICE)
    line = Line()
    send_due(line)
    delivery.refresh_from_db()
    assert line.sent == []
    assert (delivery.status, delivery.error) == ("FAILED", results.FORGOTTEN)
    assert fresh(webhook).failing_since is None


def test_a_new_url_forgets_the_failures_of_the_old_one(
    project: Project, webhook: Webhook
) -> None:
    happen(project)
    line = Line()
    line.answers(503, "3600")
    send_due(line)
    assert fresh(webhook).failing_since is not None
    webhooks.update(webhook, actor=ALICE, changes={"url": Receiver(f"{URL}/new")})
    now = fresh(webhook)
    assert (now.failing_since, now.resting_until) == (None, None)
    assert now.url == f"{URL}/new"
