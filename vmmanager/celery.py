"""The Celery app: queues, schedule and transport. What the tasks do is in compute."""

import logging
import os
import signal
import threading
from typing import Any

from celery import Celery, beat
from celery.signals import beat_embedded_init, beat_init, setup_logging
from django.conf import settings
from kombu import Queue
from kombu.exceptions import OperationalError

from vmmanager import redis_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
redis_transport.install()

log = logging.getLogger(__name__)
app = Celery("vmmanager")


#: Waiting for a message is polling here: 20 ms instead of a second.
_IN_MEMORY = {"polling_interval": 0.02}
#: A request that cannot reach the broker is told so at once instead of after seconds:
#: the sweep finds its operation. Workers have their own, patient way to reconnect.
_OVER_A_NETWORK = {
    "max_retries": 1,
    "interval_start": 0.0,
    "interval_step": 0.0,
    "interval_max": 0.0,
}


class Scheduler(beat.Scheduler):
    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due; a broker that is away is a line, not a page, every second."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except beat.SchedulingError as error:
            log.warning("%s", error)
        else:
            # Its age tells a health check whether beat still sends.
            (settings.DATA_DIR / "beat").touch(mode=0o600)

    def _ensure_connected(self) -> Any:
        """Leave connecting to each message: beat would not end while it waits here."""
        return self.connection


def configuration() -> dict[str, Any]:
    """Return Celery's settings; called on first use, when Django's can be read."""
    embedded = not settings.CELERY_BROKER_URL
    return {
        "broker_url": settings.CELERY_BROKER_URL or "memory://localhost/",
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": _IN_MEMORY if embedded else _OVER_A_NETWORK,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # The Operation row is the result.
        "task_ignore_result": True,
        # Operations are safe to run twice and a message lost with its worker is one
        # sweep late, so: acknowledge after the work, and hoard none.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        # Calls to a cloud are waiting. And after each task a child process would give up
        # its connections to the database, and open new ones for the next.
        "worker_pool": "threads",
        "worker_concurrency": 16,
        # One queue per cloud, so that a slow cloud starves no other. A plain worker
        # consumes them all; `--queues cloud.lab` dedicates one.
        "task_default_queue": "celery",
        "task_queues": [
            Queue(name, routing_key=name)
            for name in (
                "celery",
                # Their receivers may keep a worker busy, so it can have one of its own.
                "webhooks",
                *(f"cloud.{alias}" for alias in settings.PROVIDERS),
            )
        ],
        "timezone": "UTC",
        # All entries are intervals, so there is nothing to remember in a file.
        "beat_scheduler": Scheduler,
        "beat_schedule": {
            "observe due clouds": _every(1.0, "compute.tasks.tick"),
            "sweep operations": _every(
                settings.SWEEP_INTERVAL_SECONDS, "compute.tasks.sweep"
            ),
            "forget old idempotency keys": _every(
                600.0, "compute.tasks.forget_idempotency_keys"
            ),
            "forget old logins": _every(3600.0, "compute.tasks.forget_logins"),
            "forget old events": _every(3600.0, "compute.tasks.forget_events"),
            "send webhooks": _every(
                1.0, "compute.tasks.send_webhooks", queue="webhooks"
            ),
            "refresh the catalogues": _every(
                settings.CATALOG_INTERVAL_SECONDS, "compute.tasks.refresh_catalogs"
            ),
        },
    }


def _every(seconds: float, task: str, **options: Any) -> dict[str, Any]:
    # A message older than a few rounds is dropped: workers that come back after a pause
    # do not work through a thousand ticks.
    options["expires"] = 3 * seconds + 5
    return {"task": task, "schedule": seconds, "options": options}


app.add_defaults(configuration)
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Leave logging as LOGGING says: Celery configures its own if nobody answers."""


@beat_init.connect
@beat_embedded_init.connect
def load_catalogues(**_: Any) -> None:
    """Ask for the catalogues at once; their first turn would come minutes later."""
    try:
        app.send_task("compute.tasks.refresh_catalogs")
    except OperationalError as error:
        log.warning("The broker did not accept the first task: %s", error)


@beat_init.connect
def end_beat_between_two_messages(sender: beat.Service, **_: Any) -> None:
    """Have beat end after the message that it is sending; at once if told again.

    Celery's own handler closes the broker's connection inside the signal handler. A
    signal that interrupts a write then waits for ever for the lock of that write.
    """

    def stop(signum: int, _: Any) -> None:
        signal.signal(signum, signal.SIG_DFL)
        sender.stop()

    if threading.current_thread() is threading.main_thread():  # not inside runserver
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
