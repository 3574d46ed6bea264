"""The worker's door: tasks that call a service with an id."""

import logging
import time
import uuid
from functools import cache
from typing import Any

from celery import current_app, shared_task
from kombu import pools
from kombu.exceptions import LimitExceeded, OperationalError

from compute import clouds
from compute.engine import health, once, passes, queue, runner, work
from compute.services import (
    audit,
    catalog,
    logins,
    repeats,
    streams,
    tokens,
    webhooks,
)

log = logging.getLogger(__name__)


#: Seconds for which a broker that did not is not asked again.
REST_SECONDS = 5.0
_rests_until = 0.0


def send(operation_id: uuid.UUID, *, cloud: str, after: float) -> None:
    """Send an operation to its cloud's queue.

    A broker that cannot be reached, or hangs, loses nothing and holds nobody up: the
    sweep finds the row.
    """
    global _rests_until  # of this process, whatever thread found it out
    if time.monotonic() < _rests_until:
        return
    try:
        with producers().acquire(block=True, timeout=0.1) as producer:
            run_operation.apply_async(
                (str(operation_id),),
                queue=f"cloud.{cloud}",
                countdown=after,
                retry=False,
                producer=producer,
            )
    except (OperationalError, LimitExceeded) as error:
        _rests_until = time.monotonic() + REST_SECONDS
        log.warning("The broker did not accept operation %s: %s", operation_id, error)


@cache
def producers() -> Any:
    """Return the pool of what sends for requests; workers have more patience."""
    connection = current_app.connection_for_write(
        transport_options=queue.BROKER_TIMEOUTS
    )
    return pools.producers[connection]


@shared_task
def run_operation(operation_id: str) -> None:
    operation = runner.run(uuid.UUID(operation_id))
    if operation is not None:
        service = work.of(operation).service
        health.ask_for_pass(operation.cloud, service)
        _observe_when_due(operation.cloud, service)


@shared_task
def observe(alias: str, service: str) -> None:
    """Observe a service of a cloud, and go on for as long as it has work of ours."""
    if passes.observe(alias, service) and queue.has_live(alias, service):
        _observe_when_due(alias, service)


def _observe_when_due(alias: str, service: str) -> None:
    observe.apply_async(
        (alias, service),
        queue=f"cloud.{alias}",
        countdown=health.due_in(alias, service),
        retry=False,
    )


@shared_task
def tick() -> None:
    """Have every service of every cloud observed whose pass is due."""
    for alias, service in passes.due():
        observe.apply_async((alias, service), queue=f"cloud.{alias}")


@shared_task
def sweep() -> None:
    runner.sweep()


@shared_task
def forget_idempotency_keys() -> None:
    once.forget_old()


@shared_task
def forget_logins() -> None:
    logins.forget_old()
    tokens.forget_old()
    streams.forget_old()


@shared_task
def forget_events() -> None:
    audit.forget_old()
    repeats.forget_old()
    webhooks.forget_old()


@shared_task
def send_webhooks() -> None:
    webhooks.work()


@shared_task
def refresh_catalogs() -> None:
    """Have every cloud's catalogue refreshed, each on its own queue."""
    for alias in clouds.aliases():
        refresh_catalog.apply_async((alias,), queue=f"cloud.{alias}")


@shared_task
def refresh_catalog(alias: str) -> None:
    catalog.keep_fresh(alias)
