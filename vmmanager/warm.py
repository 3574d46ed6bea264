"""What requests need and nothing makes before the first of them."""

from celery import current_app
from django.urls import reverse

from compute import tasks, throttling
from compute.api import docs


def up() -> None:
    """Make it, in one thread. Asks nobody else: they may be away while we start."""
    reverse("root")  # imports every view
    throttling.prepare()
    # Until Celery's settings are complete a second thread would read half of them.
    current_app.finalize()
    _ = current_app.conf.broker_url, current_app.amqp.queues
    tasks.producers()
    docs.write()
