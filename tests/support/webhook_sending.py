"""Sending webhooks step by step, in the time of the test."""

from collections.abc import Callable, Mapping
from typing import Any

from compute import events
from compute.egress import Answer
from compute.models import Event, Project, Webhook
from compute.services import webhooks
from compute.services.webhooks import Receiver, reading
from compute.services.webhooks.claims import claim
from compute.services.webhooks.results import record
from compute.services.webhooks.sending import Post, attempt_now
from tests.conftest import ALICE

URL = "https://hooks.example.com/vms"


def add_webhook(project: Project, **arguments: Any) -> Webhook:
    arguments = {"name": "billing", "url": Receiver(URL), **arguments}
    webhook, _ = webhooks.create(project=project, actor=ALICE, **arguments)
    return webhook


def happen(project: Project, *, type: str = "vm.updated", **about: Any) -> Event:
    """Have something happen that webhooks are told."""
    return events.record(type, actor=ALICE, project=project, **about)


class Line:
    """What stands in for the network: notes what is sent, and answers as told."""

    def __init__(self, status: int = 204) -> None:
        self.answer: Callable[[], Answer] = lambda: Answer(status, "")
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /) -> Answer:
        self.sent.append((url, body, dict(headers)))
        return self.answer()

    def answers(self, status: int, retry_after: str | None = None) -> None:
        self.answer = lambda: Answer(status, f"said {status}", retry_after)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, _, headers in self.sent]


def send_due(post: Post) -> int:
    """Do one round of what a worker does; return how many attempts that were."""
    while reading.read():
        pass
    claimed = claim(places=16, slow_places=16)
    record([attempt_now(one, post) for one in claimed], jitter=lambda: 0.0)
    return len(claimed)


def send_all(post: Post) -> None:
    """Go on until nothing is due."""
    while send_due(post):
        pass
