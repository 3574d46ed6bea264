"""The settings of drf-spectacular for the OpenAPI file."""

from typing import Any

from vmmanager import __version__

#: OpenAPI has no word for it.
WEBSOCKET = """\
## WebSocket

`GET /api/v1/events/ws` is `GET /api/v1/events/stream` over a WebSocket, with the same
parameters in its query: each text message is one event, as JSON. An empty message is a sign of
life and comes every 15 seconds. Clients send no messages.

Your key is the `Authorization` header; or, in a browser, `?ticket=` (`POST
/api/v1/events/tickets`), a session, or a subprotocol beside `events.v1`:
`new WebSocket(url, ["events.v1", "bearer.KEY"])`.

The server closes with one of these codes; the reason of those from 4000 on, which are 4000 and
the status of a problem, is the problem's code:

| code | why | what to do |
|---|---|---|
| 1013 | You read too slowly. | Reconnect from your cursor. |
| 4400 | A parameter is not valid, or the client sent a message. | Correct it. |
| 4401 | No key, or it has ended. | Get a new one. |
| 4403 | The key opens no events of this project. | |
| 4410 | The cursor is too old. | List again, and follow from there. |
| 4429 | Too many streams or requests. | Reconnect later. |
| 4500 | The service failed. | Reconnect later. |
| 4501 | This process serves no streams. | Use `GET /api/v1/events?after=`. |
| 4503 | The service restarts, or its database is away. | Reconnect from your cursor, after the time in the reason. |
"""

SETTINGS: dict[str, Any] = {
    "TITLE": "VM Manager",
    "DESCRIPTION": (
        "The lifecycle of virtual machines on OpenStack.\n\n"
        "A write answers 202 with the resource as it is now; `Operation-Location` names "
        "the operation that does the work. Send `Prefer: wait=30` to get its result "
        "instead. Every error is a problem document (RFC 9457) with a `code` and "
        "`retryable`. Nothing unknown is ignored: parameters and fields the API does "
        "not know are a 400.\n\n"
        "For generators of clients: the enumerations of answers are open. A status or a "
        "type is a string whose present values are listed as `x-extensible-enum`; new "
        "ones, new fields and new problem codes may appear at any time, and a client "
        "must not fail on them. The values of parameters and of request bodies are "
        "closed, and listed as `enum`.\n\n" + WEBSOCKET
    ),
    "LICENSE": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    # Relative to where the file is served; a client made from a copy is told the host.
    "SERVERS": [{"url": "/", "description": "The service that serves this file."}],
    "VERSION": __version__,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_PATCH": False,
    "TAGS": [
        # Nouns bring their own.
        {"name": "auth", "description": "Logging in, and who you are."},
        {"name": "health", "description": "For those who run the service."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "compute.api.schema.enums.name_in_parameters",
        "compute.api.schema.completion.complete",
    ],
    # Generators make a type of each, so each has a name that stays: of request bodies
    # here, of parameters that of the class.
    "ENUM_NAME_OVERRIDES": {
        "RebootType": "compute.services.vms.RebootType.choices",
        "Role": "compute.models.Role.choices",
    },
    # From the sidecar package, so that the page works without a network.
    "SWAGGER_UI_DIST": "SIDECAR",
    # JavaScript, for the plugin: compute/static/compute/docs.js.
    "SWAGGER_UI_SETTINGS": (
        "{filter: true, persistAuthorization: true, defaultModelsExpandDepth: -1,"
        " plugins: [Reference], onComplete: openOperation}"
    ),
    "REDOC_DIST": "SIDECAR",
}
