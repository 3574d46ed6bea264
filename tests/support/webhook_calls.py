"""The calls of the API that are about webhooks."""

from collections.abc import Iterator
from dataclasses import replace

from tests.support.call import API, Call, of_noun

#: An address that may be called without asking DNS; nothing listens there.
RECEIVER = "https://127.0.0.1:9999/hooks"


def webhook_calls() -> Iterator[Call]:
    webhooks = f"{API}/webhooks"
    webhook, deliveries = f"{webhooks}/<uuid:id>", f"{webhooks}/<uuid:id>/deliveries"
    delivery = f"{deliveries}/<uuid:delivery>"
    yield Call("GET", webhooks, "webhook.list", shows="webhook")
    yield Call(
        "POST",
        webhooks,
        "webhook.create",
        sees="project.retrieve",
        unseen=400,
        body=lambda place: {
            "name": "new",
            "url": RECEIVER,
            "project": str(place.project.pk),
        },
        success=201,
    )
    yield from of_noun(
        "webhook",
        "webhook",
        webhook,
        Call("GET", "", "webhook.retrieve"),
        Call("PATCH", "", "webhook.update", body=lambda place: {"name": "other"}),
        Call("DELETE", "", "webhook.delete", success=204),
    )
    for action, status in (("test", 202), ("rotate-secret", 200)):
        yield from of_noun(
            "webhook",
            "webhook",
            f"{webhook}/actions/{action}",
            Call("POST", "", f"webhook.{action}", success=status),
        )
    for path, call in (
        (deliveries, Call("GET", "", "webhook-delivery.list")),
        (delivery, Call("GET", "", "webhook-delivery.retrieve")),
        (
            f"{delivery}/actions/redeliver",
            Call("POST", "", "webhook-delivery.redeliver", success=202),
        ),
    ):
        for known in of_noun("webhook", "webhook", path, call):
            yield replace(known, ids={"id": "webhook", "delivery": "delivery"})
