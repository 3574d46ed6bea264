"""The headers of answers, as the OpenAPI file describes them."""

from typing import Any

HEADERS = {
    "X-Request-ID": (
        "Identifies this request in every log, including OpenStack's.",
        "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "ETag": ("The version, for If-Match and If-None-Match.", '"4"'),
    "Location": (
        "The new resource.",
        "https://host/api/v1/vms/8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "Operation-Location": (
        "The operation that does the work.",
        "https://host/api/v1/operations/41aa0c9d-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "Retry-After": ("Seconds to wait before trying again.", "2"),
    "Preference-Applied": ("The preference that was honoured.", "wait=20"),
    "Idempotent-Replayed": (
        "`true` when the Idempotency-Key was sent before.",
        "true",
    ),
    "Link": (
        "The next and the previous page, as in the body.",
        '<https://host/api/v1/vms?page=2>; rel="next"',
    ),
    "Event-Cursor": (
        "Where to follow from, by `GET /events?after=`: what happens later is not in this"
        " answer yet.",
        "000000000184",
    ),
    "RateLimit-Policy": (
        "How many requests (q) are allowed in how many seconds (w), by kind.",
        '"default";q=120;w=60, "poll";q=600;w=60, "auth";q=10;w=60',
    ),
    "RateLimit": (
        (
            "The policy that counted this request: r more are allowed in the next t"
            " seconds."
        ),
        '"default";r=97;t=31',
    ),
    "WWW-Authenticate": (
        "How to authenticate (RFC 6750).",
        'Bearer realm="api", error="invalid_token"',
    ),
    "Allow": ("The methods of this URL.", "GET, HEAD, POST"),
}

#: On every answer to a request that is counted.
LIMITS = ("RateLimit-Policy", "RateLimit")


def components() -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in HEADERS.items()
    }


def refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
