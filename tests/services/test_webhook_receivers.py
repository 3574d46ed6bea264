"""Real receivers: the one of the README, and some that hang."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from compute import egress
from compute.egress import Answer
from compute.models import Delivery, Project
from compute.services import webhooks
from compute.services.webhooks import Receiver
from tests.conftest import ALICE
from tests.support.deployed import ROOT, eventually, free_port, listening
from tests.support.killable_workers import database_url
from tests.support.readme import RECEIVER
from tests.support.receivers import receiving, status
from tests.support.webhook_sending import add_webhook, happen, send_all


@pytest.mark.django_db
def test_the_receiver_of_the_readme_verifies_what_comes(
    project: Project, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    webhook, secret = webhooks.create(
        project=project,
        actor=ALICE,
        name="readme",
        url=Receiver(f"http://127.0.0.1:{port}/"),
    )
    env = {**os.environ, "WEBHOOK_SECRET": secret}
    program = RECEIVER.replace("9000", str(port))
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # a program of ours
            [sys.executable, "-c", program], env=env, stdout=output, stderr=output
        )
    try:
        eventually(lambda: listening(port), what="the receiver", log=log)
        delivery = webhooks.send_test(webhook, actor=ALICE)
        send_all(egress.post)
    finally:
        process.kill()
        process.wait()
    delivery.refresh_from_db()
    assert delivery.status == "SUCCEEDED", log.read_text()
    line = f"{delivery.sequence:012d} webhook.tested webhooks/{webhook.pk}"
    assert line in log.read_text()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_receivers_that_hang_hold_nobody_else_up(project: Project) -> None:
    """Three of ten answer nothing; the others have all of it before those time out."""
    events = 5
    with receiving() as well, receiving() as ill:
        ill.answer = ill.hang
        for number in range(10):
            url = (ill if number < 3 else well).url
            add_webhook(project, event_types=["vm.*"], url=Receiver(url))
        for _ in range(events):
            happen(project)
        began, finished = time.monotonic(), 0.0

        def watch(url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
            nonlocal finished
            answer = egress.post(url, body, headers, seconds=5)
            finished = time.monotonic() - began
            return answer

        webhooks.work(post=watch)
    sent = [(got.path, got.id) for got in well.got]
    assert len(sent) == 7 * events
    assert Delivery.objects.filter(status="SUCCEEDED").count() == 7 * events
    assert finished < 5
    # One attempt at a time for who fails.
    assert len(ill.got) <= 3 * 6


WORK = """
import django
django.setup()
from compute.services import webhooks
webhooks.work()
"""


def worker(place: Path) -> "subprocess.Popen[bytes]":
    """Start a process that sends what is due, on the database of the tests."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "DATA_DIR": str(place),
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-c", WORK]
    return subprocess.Popen(command, cwd=ROOT, env=env)  # noqa: S603  # ours


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_worker_that_is_killed_between_send_and_record(
    project: Project, tmp_path: Path
) -> None:
    """Nothing is lost, and what comes twice has the same id."""
    with receiving() as receiver:
        receiver.answer = receiver.hang
        add_webhook(project, url=Receiver(receiver.url))
        event = happen(project)
        with worker(tmp_path) as first:
            give_up = time.monotonic() + 60
            while not receiver.got and time.monotonic() < give_up:
                time.sleep(0.05)
            first.kill()
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.attempts) == ("PENDING", 0)
        assert delivery.lease_until is not None
        # The lease runs out.
        Delivery.objects.update(lease_until=timezone.now())
        receiver.answer = status(204)
        with worker(tmp_path) as second:
            assert second.wait(60) == 0
    assert [got.id for got in receiver.got] == [str(event.pk)] * 2
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("SUCCEEDED", 1)
