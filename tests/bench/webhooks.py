"""What receivers that hang cost the others: one process sends to fifty webhooks."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.databases import new_database
from tests.bench.processes import ROOT, environment, manage, shell
from tests.bench.report import say, table
from tests.support.receivers import receiving

WEBHOOKS, HANGING, EVENTS = 50, 5, 10_000

#: Makes projects with a VM, a webhook and some events each.
FURNISH = """
from django.db import transaction
from compute import events
from compute.events import Actor
from compute.models import Project
from compute.services import webhooks
from tests.support.factories import VMFactory
actor = Actor("system")
for number, url in enumerate({urls}):
    with transaction.atomic():
        project = Project.objects.create(name=f"project-{{number}}")
        vm = VMFactory.create(project=project)
        webhooks.create(project=project, actor=actor, name="bench",
                        url=webhooks.Receiver(url))
        for _ in range({events}):
            events.record("vm.updated", actor=actor, subject=vm)
"""
#: Sends until it is ended; as a worker, one of whose threads begins each second.
SEND = """
import threading, time
import django
django.setup()
from compute.services import webhooks
while True:
    threading.Thread(target=webhooks.work).start()
    time.sleep(1)
"""


def measure(
    server_url: str,
    folder: Path,
    *,
    webhooks: int = WEBHOOKS,
    hanging: int = HANGING,
    events: int = EVENTS,
) -> None:
    """Print how fast receivers that answer are served, with and without some that hang."""
    each, well = events // webhooks, webhooks - hanging
    alone = _seconds(server_url, folder, well=well, hanging=0, events=each)
    beside = _seconds(server_url, folder, well=well, hanging=hanging, events=each)
    sent = well * each
    table(
        f"{events:,} events to {webhooks} webhooks, one process, on"
        f" {'PostgreSQL' if server_url else 'SQLite'}",
        ("", "seconds", "deliveries/s"),
        [
            (f"{well} that answer, alone", f"{alone:.1f}", f"{sent / alone:.0f}"),
            (f"beside {hanging} that hang", f"{beside:.1f}", f"{sent / beside:.0f}"),
        ],
    )
    say(f"{each} events each. Alone took {alone / beside:.2f} times as long.")


def _seconds(
    server_url: str, folder: Path, *, well: int, hanging: int, events: int
) -> float:
    """Return how long it takes until all that answer have all of theirs."""
    with (
        new_database(server_url, folder, "webhooks") as url,
        receiving() as answers,
        receiving() as hangs,
    ):
        hangs.answer = hangs.hang
        env = environment(
            folder,
            url,
            DJANGO_SETTINGS_MODULE="tests.support.settings_with_loopback",
            WEBHOOK_ALLOW_HTTP="true",
            WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
        )
        manage(env, "migrate", "--verbosity", "0")
        urls = [hangs.url] * hanging + [answers.url] * well
        shell(env, FURNISH.format(urls=urls, events=events))
        begun = time.monotonic()
        with _sender(env) as process:
            while len({got.id for got in answers.got}) < well * events:
                if process.poll() is not None:
                    raise SystemExit("the sender has ended")
                time.sleep(0.05)
            return time.monotonic() - begun


@contextmanager
def _sender(env: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", SEND], cwd=ROOT, env=env
    ) as process:
        try:
            yield process
        finally:
            process.kill()
