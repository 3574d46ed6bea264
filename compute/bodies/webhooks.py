"""A webhook, and what is sent to it."""

from compute.bodies.body import (
    FLAG,
    ID,
    LABELS,
    NUMBER,
    TEXT,
    TIME,
    Body,
    Field,
    Many,
    one_of,
)
from compute.bodies.examples import (
    AT,
    DELIVERY_ID,
    EVENT_ID,
    LATER,
    PROJECT_ID,
    WEBHOOK_ID,
    WEBHOOK_URL,
)
from compute.bodies.reader import Reader, null_if_empty, or_null
from compute.models import DeliveryStatus


def _sequence(reader: Reader, sequence: int) -> str:
    return f"{sequence:012d}"


WEBHOOK_BODY = Body(
    "Webhook",
    "A URL that is sent the events of a project, as Standard Webhooks has it.",
    Field("id", ID, WEBHOOK_ID),
    Field("name", TEXT, "billing"),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("url", TEXT, WEBHOOK_URL),
    Field(
        "event_types",
        Many(TEXT),
        ["vm.*", "operation.finished"],
        about="`vm.*` is all of VMs; empty: every type.",
    ),
    Field(
        "label_selector",
        TEXT,
        "env=prod",
        about="Of what an event is about; empty: whatever its labels are.",
    ),
    Field(
        "secret",
        TEXT,
        None,
        at=(),
        made=lambda reader: None,
        null=True,
        about=(
            "It signs deliveries: `whsec_` and Base64. Only in the answer that made it."
        ),
    ),
    Field(
        "old_secret_until",
        TIME,
        None,
        null=True,
        about="Until then the secret before the present one signs, too.",
    ),
    Field("enabled", FLAG, True, about="Whether it is sent anything."),
    Field(
        "disabled_at",
        TIME,
        None,
        null=True,
        about="When the service disabled it: after three days of failures, or a 410.",
    ),
    Field(
        "disabled_reason",
        TEXT,
        None,
        made=or_null,
        sql=null_if_empty("disabled_reason"),
        null=True,
    ),
    Field("labels", LABELS, {}),
    Field("version", NUMBER, 1, about="The ETag."),
    Field("created_at", TIME, AT),
    Field("updated_at", TIME, AT),
)

DELIVERY_BODY = Body(
    "WebhookDelivery",
    "An event on its way to a webhook.",
    Field("id", ID, DELIVERY_ID),
    Field("webhook", ID, WEBHOOK_ID, at="webhook_id"),
    Field(
        "event", ID, EVENT_ID, at="event_id", about="The `webhook-id` it is sent as."
    ),
    Field("event_type", TEXT, "vm.updated"),
    Field("sequence", TEXT, "000000000184", made=_sequence, about="Of the event."),
    Field("status", one_of(DeliveryStatus), "SUCCEEDED"),
    Field("attempts", NUMBER, 1, about="Those of which the result is known."),
    Field("next_attempt_at", TIME, None, null=True),
    Field("last_attempt_at", TIME, LATER, at="attempted_at", null=True),
    Field(
        "answer_status",
        NUMBER,
        204,
        null=True,
        about="HTTP status of the last attempt's answer, if there was one.",
    ),
    Field(
        "answer_excerpt",
        TEXT,
        None,
        made=or_null,
        sql=null_if_empty("answer_excerpt"),
        null=True,
        about="The beginning of that answer.",
    ),
    Field(
        "reason",
        TEXT,
        None,
        at="error",
        made=or_null,
        sql=null_if_empty("error"),
        null=True,
        about="Why the last attempt failed.",
    ),
    Field("created_at", TIME, AT),
    Field("ended_at", TIME, LATER, null=True),
)
