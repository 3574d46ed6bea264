"""Queues, transport and schedule."""

from typing import Any

from django.test import override_settings

from vmmanager.celery import app, configuration


def test_there_is_one_queue_per_cloud_and_messages_reach_only_theirs() -> None:
    clouds: dict[str, Any] = {"lab": {}, "prod": {}}
    with override_settings(PROVIDERS=clouds):
        queues = configuration()["task_queues"]
    names = ["celery", "webhooks", "cloud.lab", "cloud.prod"]
    assert [queue.name for queue in queues] == names
    assert [queue.routing_key for queue in queues] == names


def test_without_a_broker_messages_stay_in_memory() -> None:
    with override_settings(CELERY_BROKER_URL=""):
        assert configuration()["broker_url"].startswith("memory://")
    with override_settings(CELERY_BROKER_URL="redis://broker/0"):
        assert configuration()["broker_url"] == "redis://broker/0"


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= set(app.tasks)


def test_work_is_acknowledged_after_it_is_done() -> None:
    assert app.conf.task_acks_late is True
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]
