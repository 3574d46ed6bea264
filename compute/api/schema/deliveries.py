"""What the service sends to webhooks, as the OpenAPI file describes it."""

from typing import Any

from compute.bodies.events import EVENT_BODY
from compute.bodies.examples import EVENT_ID

_HEADERS = (
    (
        "webhook-id",
        "The event's id. The same event is always sent under the same one, so that a "
        "receiver can leave out what it has already.",
        EVENT_ID,
    ),
    (
        "webhook-timestamp",
        "When it was sent, in seconds since 1970. Refuse what is older than minutes.",
        "1795428041",
    ),
    (
        "webhook-signature",
        "`v1,` and the Base64 of an HMAC-SHA256 of `{id}.{timestamp}.{body}`, whose key "
        "is the Base64 after `whsec_` of the secret. While a secret is changed there are "
        "two, with a space between: one that fits will do.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
)

#: OpenAPI's `webhooks`: name -> path item.
DELIVERIES: dict[str, Any] = {
    "event": {
        "post": {
            "operationId": "receive_event",
            "summary": "An event of the project",
            "description": (
                "Signed as Standard Webhooks has it. Events may come more than once, and "
                "not in order: `sequence` has it. What is not answered with 2xx within "
                "15 seconds is sent again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, "
                "20 h and 24 h; a redirect is not followed. After three days in which "
                "every attempt failed the webhook is disabled."
            ),
            "tags": ["webhooks"],
            "security": [],
            "parameters": [
                {
                    "name": name,
                    "in": "header",
                    "required": True,
                    "description": about,
                    "schema": {"type": "string"},
                    "example": example,
                }
                for name, about, example in _HEADERS
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/cloudevents+json": {
                        "schema": {"$ref": f"#/components/schemas/{EVENT_BODY.name}"},
                        "examples": {
                            EVENT_BODY.name: {
                                "$ref": f"#/components/examples/{EVENT_BODY.name}"
                            }
                        },
                    }
                },
            },
            "responses": {
                "2XX": {"description": "Received."},
                "410": {"description": "Not wanted any more: the webhook is disabled."},
                "429": {
                    "description": "Sent again after `Retry-After`, a day at most."
                },
                "503": {
                    "description": "Sent again after `Retry-After`, a day at most."
                },
            },
        }
    }
}
