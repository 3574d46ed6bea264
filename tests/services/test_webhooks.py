"""Webhooks: what can be asked of them, and which events they get."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from pytest_django import Settings

from compute import egress
from compute.errors import (
    PreconditionFailed,
    RateLimited,
    ResourceLimitExceeded,
    ValidationError,
    WebhookDisabled,
)
from compute.expected import VersionIs
from compute.models import Delivery, Event, Project, Quota, Webhook
from compute.services import webhooks
from compute.services.webhooks import Receiver
from tests.conftest import ALICE
from tests.services.conftest import wrong
from tests.support.factories import ProjectFactory, VMFactory
from tests.support.webhook_sending import (
    URL,
    Line,
    add_webhook,
    happen,
    send_all,
)

pytestmark = pytest.mark.django_db


def told(webhook: Webhook) -> list[Event]:
    return list(Event.objects.about("webhook", webhook.pk).order_by("sequence"))


def deliveries(webhook: Webhook) -> list[tuple[str, int]]:
    rows = webhook.deliveries.order_by("sequence")
    return list(rows.values_list("event_type", "sequence"))


# What is asked


def test_one_is_made_with_a_secret_that_nobody_can_read_again(project: Project) -> None:
    webhook, secret = webhooks.create(
        project=project, actor=ALICE, name="billing", url=Receiver(URL)
    )
    assert secret.startswith("whsec_")
    stored = str(Webhook.objects.filter(pk=webhook.pk).values().get())
    assert secret.removeprefix("whsec_") not in stored
    (event,) = told(webhook)
    assert (event.type, event.subject_version) == ("webhook.created", 1)
    assert secret.removeprefix("whsec_") not in str(event.data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("event_types", ["vm"]),
        ("event_types", ["*"]),
        ("event_types", ["VM.created"]),
        ("event_types", ["vm.*"] * 51),
        ("event_types", "vm.*"),
        ("label_selector", "env="[:3] + "=a b"),
        ("label_selector", "=prod"),
        ("labels", {"a b": "c"}),
    ],
)
def test_nonsense_is_refused(project: Project, field: str, value: Any) -> None:
    pointer, _ = wrong(lambda: add_webhook(project, **{field: value}))
    assert pointer.startswith(f"#/{field}")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://hooks.example.com:22/", ["1.1.1.1"]),
        ("https://169.254.169.254/latest", ["169.254.169.254"]),
        ("https://hooks.example.com/", ["1.1.1.1", "10.0.0.1"]),
        ("https://hooks.example.com/", []),
    ],
)
def test_a_url_is_looked_up_first(url: str, addresses: list[str]) -> None:
    look_up = lambda: webhooks.look_up(url, actor=ALICE, resolve=lambda *_: addresses)  # noqa: E731
    assert wrong(look_up) == ("#/url", "invalid")


def test_a_url_that_may_be_called_is_a_receiver() -> None:
    found = webhooks.look_up(URL, actor=ALICE, resolve=lambda *_: ["1.1.1.1"])
    assert found == Receiver(URL)


def test_names_that_hang_leave_threads_for_other_requests(settings: Settings) -> None:
    settings.API_MAX_CLOUD_READS = 4
    looks: list[Receiver] = []

    def hang(host: str, port: int, seconds: float) -> list[str]:
        """Answer once another request has been refused, or let in."""
        if len(looks) < 3:
            looks.append(Receiver(URL))
            webhooks.look_up(URL, actor=ALICE, resolve=hang)
        return ["1.1.1.1"]

    with pytest.raises(RateLimited) as refused:
        webhooks.look_up(URL, actor=ALICE, resolve=hang)
    assert refused.value.retry_after == 5
    # Half of the places are anybody's: two were let in.
    assert len(looks) == 2
    found = webhooks.look_up(URL, actor=ALICE, resolve=lambda *_: ["1.1.1.1"])
    assert found == Receiver(URL)


def test_the_quota_counts_them(project: Project) -> None:
    Quota.objects.update_or_create(
        project=project, resource="webhooks", defaults={"limit": 1}
    )
    webhook = add_webhook(project)
    with pytest.raises(ResourceLimitExceeded):
        add_webhook(project)
    webhooks.delete(webhook, actor=ALICE)
    add_webhook(project)


def test_a_change_needs_the_version_that_was_seen(project: Project) -> None:
    webhook = add_webhook(project)
    with pytest.raises(PreconditionFailed):
        webhooks.update(
            webhook, actor=ALICE, changes={"name": "b"}, expect=VersionIs(7)
        )
    changed = webhooks.update(
        webhook, actor=ALICE, changes={"name": "b"}, expect=VersionIs(1)
    )
    assert (changed.name, changed.version) == ("b", 2)
    assert told(webhook)[-1].changes == {"name": ["billing", "b"]}
    assert webhooks.update(webhook, actor=ALICE, changes={"name": "b"}).version == 2


# Which events


def test_it_gets_what_happens_after_it_was_made(project: Project) -> None:
    happen(project)
    webhook = add_webhook(project)
    happen(ProjectFactory.create(name="other"))
    event, line = happen(project), Line()
    send_all(line)
    assert line.ids == [str(event.pk)]
    assert deliveries(webhook) == [("vm.updated", event.sequence)]


def test_its_types_choose(project: Project) -> None:
    webhook = add_webhook(project, event_types=["vm.*", "operation.finished"])
    for type in ("vm.created", "vm.deleted", "operation.finished", "vmx.created"):
        happen(project, type=type)
    happen(project, type="snapshot.created")
    send_all(Line())
    types = [type for type, _ in deliveries(webhook)]
    assert types == ["vm.created", "vm.deleted", "operation.finished"]


def test_labels_of_what_it_is_about_choose(project: Project) -> None:
    webhook = add_webhook(project, label_selector="env in (prod,stage),!legacy")
    rest = add_webhook(project, label_selector="env!=prod")
    prod = VMFactory.create(project=project, labels={"env": "prod"})
    dev = VMFactory.create(project=project, labels={"env": "dev"})
    old = VMFactory.create(project=project, labels={"env": "prod", "legacy": ""})
    seen = happen(project, subject=prod)
    happen(project, subject=dev)
    happen(project, subject=old)
    happen(project)  # the project has no labels
    # What has none counts as what it is shown beside.
    beside = happen(project, type="project.updated", related=prod)
    send_all(Line())
    assert deliveries(webhook) == [
        ("vm.updated", seen.sequence),
        ("project.updated", beside.sequence),
    ]
    numbers = {sequence for _, sequence in deliveries(rest)}
    assert seen.sequence not in numbers
    assert beside.sequence not in numbers


def test_what_is_deleted_has_its_labels_still(project: Project) -> None:
    webhook = add_webhook(project, label_selector="env=prod")
    vm = VMFactory.create(project=project, labels={"env": "prod"}, status="DELETED")
    event = happen(project, type="vm.deleted", subject=vm)
    send_all(Line())
    assert deliveries(webhook) == [("vm.deleted", event.sequence)]


def test_what_is_about_itself_is_for_others_alone(project: Project) -> None:
    webhook, other = add_webhook(project), add_webhook(project)
    webhooks.update(webhook, actor=ALICE, changes={"name": "b"})
    line = Line()
    send_all(line)
    assert [type for type, _ in deliveries(webhook)] == ["webhook.created"]  # other's
    assert [type for type, _ in deliveries(other)] == ["webhook.updated"]
    count = Delivery.objects.count()
    send_all(line)
    assert Delivery.objects.count() == count


def test_a_test_is_sent_whatever_the_filters(project: Project) -> None:
    webhook = add_webhook(project, event_types=["vm.*"], label_selector="env=prod")
    delivery = webhooks.send_test(webhook, actor=ALICE)
    line = Line()
    send_all(line)
    assert line.ids == [str(delivery.event_id)]
    body = json.loads(line.sent[0][1])
    assert (body["type"], body["subject"]) == (
        "webhook.tested",
        f"webhooks/{webhook.pk}",
    )
    resource = body["data"]["resource"]
    assert (resource["id"], resource["secret"]) == (str(webhook.pk), None)


def test_the_body_is_the_event_as_it_is_read(project: Project) -> None:
    add_webhook(project)
    vm = VMFactory.create(project=project)
    event, line = happen(project, subject=vm), Line()
    send_all(line)
    body = json.loads(line.sent[0][1])
    assert body["id"] == line.ids[0] == str(event.pk)
    assert body["sequence"] == f"{event.sequence:012d}"
    assert body["data"]["resource"]["name"] == vm.name


def test_the_log_is_read_in_pieces_and_no_further_than_there_is_room(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compute.services.webhooks import reading

    monkeypatch.setattr(reading, "MAX_PENDING", 4)
    webhook = add_webhook(project)
    made = [happen(project) for _ in range(10)]
    read = [reading.read(limit=3), reading.read(limit=3), reading.read(limit=3)]
    assert read == [3, 3, 0]
    line = Line()
    send_all(line)
    assert len(line.ids) == len(set(line.ids)) == len(made)
    webhook.refresh_from_db()
    assert webhook.after == made[-1].sequence


def test_what_cannot_commit_is_read_again(project: Project) -> None:
    from compute.services.webhooks import reading

    webhook = add_webhook(project)
    happen(project)
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        reading.read()
        assert webhook.deliveries.count() == 1
        raise RuntimeError
    assert webhook.deliveries.count() == 0
    line = Line()
    send_all(line)
    assert len(line.sent) == 1


# Pause


def test_a_pause_keeps_what_happens_for_later(project: Project) -> None:
    webhook, line = add_webhook(project), Line()
    before = happen(project)
    send_all(Line(500))
    webhooks.update(webhook, actor=ALICE, changes={"enabled": False})
    during = happen(project)
    send_all(line)
    assert line.sent == []
    with pytest.raises(WebhookDisabled):
        webhooks.send_test(webhook, actor=ALICE)
    with pytest.raises(WebhookDisabled):
        webhooks.redeliver(Delivery.objects.get(), actor=ALICE)
    webhooks.update(webhook, actor=ALICE, changes={"enabled": True})
    with time_machine.travel(timedelta(minutes=1)):
        send_all(line)
    assert set(line.ids) == {str(before.pk), str(during.pk)}
    assert "left_out" not in told(webhook)[-1].details


@pytest.mark.parametrize("days", [7, 3])
def test_a_long_pause_passes_over_what_is_too_old(
    project: Project, settings: Settings, days: int
) -> None:
    settings.EVENT_STREAM_DAYS = days
    webhook, line = add_webhook(project), Line()
    webhooks.update(webhook, actor=ALICE, changes={"enabled": False})
    webhook.refresh_from_db()
    cursor = webhook.after
    old = [happen(project) for _ in range(3)]
    with time_machine.travel(timedelta(days=days, minutes=1)):
        young = happen(project)
        webhooks.update(webhook, actor=ALICE, changes={"enabled": True})
        send_all(line)
    assert line.ids == [str(young.pk)]
    assert told(webhook)[-1].details == {"left_out": old[-1].sequence - cursor}  # type: ignore[operator]


def test_what_waits_longer_than_that_ends(project: Project) -> None:
    webhook = add_webhook(project)
    happen(project)
    send_all(Line(500))
    webhooks.update(webhook, actor=ALICE, changes={"enabled": False})
    with time_machine.travel(timedelta(days=6)):
        webhooks.forget_old()
        assert Delivery.objects.get().status == "PENDING"
    with time_machine.travel(timedelta(days=8)):
        webhooks.forget_old()
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.next_attempt_at) == ("FAILED", None)
        assert "7 days" in delivery.error


def test_one_that_is_deleted_gets_nothing_more(project: Project) -> None:
    webhook, line = add_webhook(project), Line()
    happen(project)
    send_all(Line(500))
    webhooks.delete(webhook, actor=ALICE)
    with time_machine.travel(timedelta(hours=1)):
        happen(project)
        send_all(line)
        webhooks.forget_old()
    assert line.sent == []
    assert not Delivery.objects.exists()


def test_old_deliveries_are_forgotten(project: Project) -> None:
    add_webhook(project)
    happen(project)
    send_all(Line())
    with time_machine.travel(timedelta(days=13)):
        webhooks.forget_old()
        assert Delivery.objects.exists()
    with time_machine.travel(timedelta(days=15)):
        webhooks.forget_old()
        assert not Delivery.objects.exists()


# What is no receiver


def test_refusals_at_the_time_of_sending_are_results(project: Project) -> None:
    """A name may lead elsewhere by then."""
    webhook, line = add_webhook(project), Line()

    def refuse() -> Any:
        raise egress.Refused("hooks.example.com has an address that is not public.")

    line.answer = refuse
    webhooks.send_test(webhook, actor=ALICE)
    send_all(line)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.answer_status) == ("PENDING", None)
    assert "not public" in delivery.error


def test_an_unknown_field_is_a_defect(project: Project) -> None:
    with pytest.raises(ValueError, match="secret"):
        webhooks.update(add_webhook(project), actor=ALICE, changes={"secret": "x"})


def test_a_look_up_needs_a_url() -> None:
    with pytest.raises(ValidationError):
        webhooks.look_up("not a url", actor=ALICE)
