"""Real receivers: the one of the README, and some that hang."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compute import egress
from compute.models import Delivery, Project
from compute.services import webhooks
from compute.services.webhooks import Receiver
from tests.conftest import ALICE
from tests.support.deployed import eventually, free_port, listening
from tests.support.readme import README
from tests.support.receivers import receiving
from tests.support.webhook_sending import add_webhook, happen, send_all


@pytest.mark.django_db
def test_the_receiver_of_the_readme_verifies_what_comes(
    project: Project, tmp_path: Path
) -> None:
    block = README.split("<!-- receiver -->")[1].split("<!-- /receiver -->")[0]
    code = re.fullmatch(r"\s*```python\n(.*)```\s*", block, re.DOTALL)
    assert code is not None
    port, log = free_port(), tmp_path / "log"
    webhook, secret = webhooks.create(
        project=project,
        actor=ALICE,
        name="readme",
        url=Receiver(f"http://127.0.0.1:{port}/"),
    )
    env = {**os.environ, "WEBHOOK_SECRET": secret}
    program = code[1].replace("9000", str(port))
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


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
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

        def post(url, body, headers, /):  # type: ignore[no-untyped-def]
            return egress.post(url, body, headers, seconds=8)

        def watch(url, body, headers, /):  # type: ignore[no-untyped-def]
            nonlocal finished
            answer = post(url, body, headers)
            finished = time.monotonic() - began
            return answer

        webhooks.work(post=watch)
    sent = [(got.path, got.id) for got in well.got]
    assert len(sent) == 7 * events
    assert Delivery.objects.filter(status="SUCCEEDED").count() == 7 * events
    assert finished < 8
    # One attempt at a time for who fails.
    assert len(ill.got) <= 3 * 4
