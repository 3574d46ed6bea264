"""The secrets of webhooks: what they sign, how they are kept, and how they change."""

from datetime import timedelta

import pytest
import time_machine
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from compute.models import Delivery, Project
from compute.services import webhooks
from compute.services.webhooks import Receiver, secrets
from tests.conftest import ALICE
from tests.support.webhook_sending import URL, Line, add_webhook, send_all

pytestmark = pytest.mark.django_db


def signature_of(line: Line) -> tuple[bytes, dict[str, str]]:
    _, body, headers = line.sent[-1]
    return body, headers


def test_two_secrets_sign_while_receivers_change_over(project: Project) -> None:
    webhook, first = webhooks.create(
        project=project, actor=ALICE, name="billing", url=Receiver(URL)
    )
    line = Line()
    webhooks.send_test(webhook, actor=ALICE)
    send_all(line)
    assert Standard(first).verify(*signature_of(line))["type"] == "webhook.tested"

    webhook, second = webhooks.rotate_secret(webhook, actor=ALICE)
    assert webhook.version == 2
    webhooks.send_test(webhook, actor=ALICE)
    send_all(line)
    body, headers = signature_of(line)
    assert len(headers["webhook-signature"].split()) == 2
    Standard(first).verify(body, headers)
    Standard(second).verify(body, headers)

    with time_machine.travel(timedelta(hours=24, minutes=1)):
        webhooks.send_test(webhook, actor=ALICE)
        send_all(line)
        body, headers = signature_of(line)
        Standard(second).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Standard(first).verify(body, headers)
        webhooks.forget_old()
    webhook.refresh_from_db()
    assert (webhook.old_secret, webhook.old_secret_until) == ("", None)


def test_what_was_changed_on_the_way_is_found_out(project: Project) -> None:
    webhook, secret = webhooks.create(
        project=project, actor=ALICE, name="billing", url=Receiver(URL)
    )
    webhooks.send_test(webhook, actor=ALICE)
    line = Line()
    send_all(line)
    body, headers = signature_of(line)
    with pytest.raises(WebhookVerificationError):
        Standard(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Standard(secret).verify(body, headers | {"webhook-id": "other"})


def replace_key(settings: Settings) -> None:
    """Have a new SECRET_KEY, with the old one beside it."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"  # pragma: allowlist secret


def test_secrets_outlive_the_key_of_the_service(
    project: Project, settings: Settings
) -> None:
    webhook = add_webhook(project)
    secret = secrets.decrypt(webhook.secret)
    replace_key(settings)
    assert secrets.decrypt(webhook.secret) == secret
    webhooks.forget_old()
    settings.SECRET_KEY_FALLBACKS = []
    webhook.refresh_from_db()
    assert secrets.decrypt(webhook.secret) == secret


def test_a_key_that_is_lost_is_a_failure_in_the_open(
    project: Project, settings: Settings
) -> None:
    webhook, line = add_webhook(project), Line()
    webhooks.send_test(webhook, actor=ALICE)
    settings.SECRET_KEY = "new"  # pragma: allowlist secret
    send_all(line)
    assert line.sent == []
    assert "SECRET_KEY" in Delivery.objects.get().error
    webhooks.forget_old()  # says so, and goes on


def test_the_secret_before_outlives_the_key_too(
    project: Project, settings: Settings
) -> None:
    webhook = add_webhook(project)
    secret = secrets.decrypt(webhook.secret)
    replace_key(settings)
    webhooks.rotate_secret(webhook, actor=ALICE)
    webhooks.forget_old()
    settings.SECRET_KEY_FALLBACKS = []
    webhook.refresh_from_db()
    assert secrets.decrypt(webhook.old_secret) == secret
