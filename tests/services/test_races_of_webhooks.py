"""Several workers on one log: every delivery is made once and claimed once."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from threading import Lock

import pytest
from django.db import connection
from django.utils import timezone

from compute.egress import Answer
from compute.models import Delivery, Project, Webhook
from compute.services import webhooks
from compute.services.webhooks import reading
from compute.services.webhooks.claims import MAX_IN_FLIGHT, claim
from compute.services.webhooks.results import Result, record
from compute.services.webhooks.sending import attempt_now
from tests.conftest import ALICE
from tests.support.racing import at_once, kinds
from tests.support.webhook_sending import add_webhook, happen

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

WORKERS, WEBHOOKS, EVENTS = 8, 6, 20


class Receivers:
    """What stands in for the network, for all workers."""

    def __init__(self) -> None:
        self.came: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
        with self._lock:
            self.came[url, headers["webhook-id"]] += 1
        return Answer(204, "")


def test_workers_share_the_deliveries(project: Project) -> None:
    for number in range(WEBHOOKS):
        add_webhook(
            project,
            name=f"webhook-{number}",
            url=webhooks.Receiver(f"https://hooks.example.com/{number}"),
        )
    for _ in range(EVENTS):
        happen(project)
    receivers = Receivers()

    def work() -> int:
        done = idle = 0
        while idle < 5:
            reading.read()
            claimed = claim(places=16, slow_places=16)
            record([attempt_now(one, receivers) for one in claimed])
            done += len(claimed)
            idle = 0 if claimed else idle + 1
        return done

    shares = at_once(*[work] * WORKERS)
    # Each webhook gets every event once, with those about the webhooks made after it.
    expected = sum(EVENTS + WEBHOOKS - 1 - number for number in range(WEBHOOKS))
    assert set(receivers.came.values()) == {1}
    assert len(receivers.came) == sum(shares) == expected
    assert Delivery.objects.filter(status="SUCCEEDED", attempts=1).count() == expected


def test_no_more_are_claimed_than_may_be_under_way(project: Project) -> None:
    webhook = add_webhook(project)
    for _ in range(EVENTS):
        happen(project)
    while reading.read():
        pass
    claims = at_once(*[partial(claim, places=16, slow_places=16)] * WORKERS)
    claimed = [one.delivery.pk for some in claims for one in some]
    assert len(claimed) == len(set(claimed)) <= MAX_IN_FLIGHT
    leased = Delivery.objects.filter(webhook=webhook, lease_until__gt=timezone.now())
    assert leased.count() == len(claimed)


def test_a_result_that_comes_late_says_nothing_of_the_next_attempt(
    project: Project,
) -> None:
    add_webhook(project)
    happen(project)
    reading.read()
    (first,) = claim(places=1, slow_places=1)
    Delivery.objects.update(lease_until=timezone.now())  # it ran out
    (second,) = claim(places=1, slow_places=1)
    late = Result(first, timezone.now(), 0.1, Answer(500, "no"), "")
    prompt = Result(second, timezone.now(), 0.1, Answer(204, ""), "")
    at_once(partial(record, [late]), partial(record, [prompt]))
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("SUCCEEDED", 1)


def test_redelivery_and_deletion_race_with_the_sender(project: Project) -> None:
    webhook = add_webhook(project)
    happen(project)
    reading.read()
    delivery = Delivery.objects.get()

    def send() -> None:
        claimed = claim(places=1, slow_places=1)
        record([attempt_now(one, Receivers()) for one in claimed])

    results = at_once(
        *[partial(webhooks.redeliver, delivery, actor=ALICE)] * 3,
        *[send] * 3,
        partial(webhooks.delete, webhook, actor=ALICE),
    )
    assert kinds(results).keys() <= {"Delivery", "NoneType", "Webhook", "NotFound"}
    assert Webhook.objects.get().deleted_at is not None
    assert claim(places=1, slow_places=1) == []
