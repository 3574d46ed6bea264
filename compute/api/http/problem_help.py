"""What a client does about each problem, and an example: pages and OpenAPI read this."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compute.api.http.problems import registry
from compute.bodies.examples import (
    NETWORK_ID,
    OPERATION_ID,
    REQUEST_ID,
    RULE_ID,
    VM_ID,
)

_NOVA = {"service": "nova", "request_id": "req-3dcc5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11"}
_NEUTRON = {**_NOVA, "service": "neutron"}
_VM = f"/api/v1/vms/{VM_ID}"
_VMS = "/api/v1/vms"


@dataclass(frozen=True)
class Help:
    """One code: what to do, in one to three sentences, and what an answer looks like."""

    advice: str
    detail: str
    instance: str = _VM
    members: Mapping[str, Any] = field(default_factory=dict)


HELP: Mapping[str, Help] = {
    "bad-request": Help(
        "Correct the request; `detail` says which part. If the host is refused, the "
        "operator adds it to `ALLOWED_HOSTS`.",
        "The service does not answer for this host.",
        _VMS,
    ),
    "cursor-invalid": Help(
        "Follow `next` as it is, or send the same filters and ordering with every page. "
        "To change them, start again with an empty `cursor=`.",
        "The cursor belongs to other filters or another ordering. Start again with an "
        "empty cursor.",
        _VMS,
    ),
    "malformed-json": Help(
        "Let a JSON library write the body, in UTF-8, each member once.",
        "The body is not valid JSON: unexpected end of data: line 1 column 9 (char 8)",
        _VMS,
    ),
    "openstack-refused": Help(
        "Read `openstack.message`, and ask for something else: another image, flavor or "
        "network. The same request fails again.",
        "Image cce55a57-6f0c-4c1e-9d0a-3a3f1d1b2c11 could not be found.",
        _VMS,
        {
            "vm": VM_ID,
            "openstack": {
                **_NOVA,
                "status": 400,
                "message": "Image cce55a57-6f0c-4c1e-9d0a-3a3f1d1b2c11 could not be found.",
            },
        },
    ),
    "validation-error": Help(
        "Show each row of `errors` at the field that it points to. Correct all of them, "
        "then send the request again.",
        "No flavor m9.huge.",
        _VMS,
        {
            "errors": [
                {
                    "pointer": "#/flavor",
                    "code": "does_not_exist",
                    "detail": "No flavor m9.huge.",
                }
            ]
        },
    ),
    "token-expired": Help(
        "With a login: `POST /auth/tokens/refresh`, and send the request again with the "
        "new access token. With an API token: create a new one.",
        "The API token has expired. Create a new one.",
        _VMS,
    ),
    "unauthenticated": Help(
        "Send a token in `Authorization`. If you did, get a new one: this one does not "
        "work again.",
        "Send Authorization: Bearer TOKEN.",
        _VMS,
    ),
    "permission-denied": Help(
        "Use a token with a higher role, or ask an admin of the project for one. "
        "`GET /auth/me` shows the roles that you have.",
        'vm.stop requires the role "member" in this project.',
        f"{_VM}/actions/stop",
    ),
    "resource-limit-exceeded": Help(
        "Delete what you no longer need, ask for less, or ask an operator for more. "
        "`GET /projects/{id}/quota` shows limits and use.",
        "The project's quota of vms is 10; 10 are used and 1 more were requested.",
        _VMS,
        {"resource": "vms", "limit": 10, "used": 10, "requested": 1},
    ),
    "not-found": Help(
        "Treat it as gone. If it should be there, check the id, and that your token is "
        "for its project.",
        f"No VM {VM_ID}.",
    ),
    "method-not-allowed": Help(
        "Use a method that `Allow` lists.", 'Method "PUT" not allowed.'
    ),
    "not-acceptable": Help(
        "Send `Accept: application/json`, or no `Accept` at all.",
        "Could not satisfy the request Accept header.",
        _VMS,
    ),
    "request-timeout": Help(
        "Send the request again, a POST with its `Idempotency-Key`. Build the whole body "
        "before you open the connection.",
        "The body did not arrive in time.",
        _VMS,
    ),
    "address-pool-exhausted": Help(
        "Delete floating IPs or ports that nothing uses, or use another network. If the "
        "external network is full, tell an operator.",
        "No more IP addresses available on network 0a225a57-6f0c-4c1e-9d0a-3a3f1d1b2c11.",
        "/api/v1/floating-ips",
        {
            "openstack": {
                **_NEUTRON,
                "status": 409,
                "message": "No more IP addresses available on network "
                "0a225a57-6f0c-4c1e-9d0a-3a3f1d1b2c11.",
            }
        },
    ),
    "address-taken": Help(
        "Choose another address, or name none and take what is free.",
        "Another VM has the address 10.1.0.9.",
        _VMS,
    ),
    "concurrent-update": Help(
        "Send the same request again after `Retry-After`.",
        "The first request with this key was rolled back.",
        _VMS,
    ),
    "delete-protected": Help(
        "If it is really to go: `PATCH` it with `delete_protection: false`, then delete.",
        "Turn delete_protection off first.",
    ),
    "invalid-transition": Help(
        "Offer only `allowed_actions`, which every VM has in its body. If the VM is "
        "already as you want it, there is nothing left to do.",
        "Cannot stop a VM that is SHUTOFF.",
        f"{_VM}/actions/stop",
        {
            "vm_status": "SHUTOFF",
            "allowed_actions": ["start", "resize", "rebuild", "delete"],
        },
    ),
    "console-not-offered": Help(
        "Read `/vms/{id}/console-log` instead, or reach the VM over the network. It will "
        "not help to try again: the operator of the cloud has to offer consoles.",
        "The cloud default offers no remote console.",
        f"{_VM}/console",
    ),
    "last-admin": Help(
        "Give another member the role admin first, then try again.",
        "Make somebody else an admin first.",
        "/api/v1/projects/b1c05a57-6f0c-4c1e-9d0a-3a3f1d1b2c11/members/alice",
    ),
    "name-conflict": Help(
        "Use another name, or the one that exists: `?name=` finds it.",
        "There is already a keypair laptop.",
        "/api/v1/keypairs",
    ),
    "no-external-route": Help(
        "Attach the subnet to a router (`/routers/{id}/actions/attach-subnet`) that has a "
        "gateway (`set-gateway`). A network created with `internet: true` has both.",
        "No router leads from the VM's subnet to the external network.",
        "/api/v1/floating-ips",
    ),
    "not-cancellable": Help(
        "Let it end: `GET /operations/{id}` with `Prefer: wait=30`. Then undo it, with a "
        "request of its own.",
        "vm.stop is RUNNING and cannot be cancelled.",
        f"/api/v1/operations/{OPERATION_ID}/actions/cancel",
    ),
    "operation-cancelled": Help(
        "Nothing, if you cancelled it. Otherwise its events say who did; send a new "
        "request, with a new key, if you still want it.",
        "vm.create was cancelled.",
        _VMS,
        {"vm": VM_ID},
    ),
    "operation-in-progress": Help(
        "Follow `operation_id` to its end and try again, or send the request with "
        "`Prefer: wait=30`, which queues for you.",
        f"Operation {OPERATION_ID} (vm.start) is in progress.",
        f"{_VM}/actions/stop",
        {"operation_id": OPERATION_ID},
    ),
    "resource-in-use": Help(
        "Free it from those in `in_use_by`, as `detail` says, then try again.",
        "The network web is in use by vm web-1. Detach them first: POST "
        "/vms/{id}/actions/detach-network.",
        f"/api/v1/networks/{NETWORK_ID}",
        {"in_use_by": [{"kind": "vm", "id": VM_ID, "name": "web-1"}]},
    ),
    "rule-exists": Help(
        "Take it as done: `rule_id` is the rule you asked for.",
        "The group has this rule already: ingress IPv4 tcp 22 anywhere.",
        "/api/v1/security-groups/0a775a57-6f0c-4c1e-9d0a-3a3f1d1b2c11/rules",
        {"rule_id": RULE_ID},
    ),
    "webhook-disabled": Help(
        "Mend the receiver, then `PATCH` the webhook with `enabled: true`. What happened "
        "meanwhile is sent, as far back as the log can be followed.",
        "The webhook alerts is disabled.",
        "/api/v1/webhooks/3b115a57-6f0c-4c1e-9d0a-3a3f1d1b2c11/actions/test",
    ),
    "cursor-expired": Help(
        "Drop your copy, list again, and follow from the `Event-Cursor` of the first page.",
        "Events after this one are too old to be followed, or have been removed. List "
        "again, and follow from the list's Event-Cursor.",
        "/api/v1/events",
    ),
    "length-required": Help(
        "Send the body in one piece, with `Content-Length`. Most libraries do so unless "
        "they are given a stream.",
        "Send the body with a Content-Length.",
        _VMS,
    ),
    "precondition-failed": Help(
        "Read it again, look at what has changed, and repeat your change with the new "
        "`ETag` if it still makes sense.",
        "The current version is 5.",
        _VM,
        {"version": 5},
    ),
    "payload-too-large": Help(
        "Send less: a body has at most 256 KiB unless the operator changed it.",
        "A body has at most 262144 bytes.",
        _VMS,
    ),
    "uri-too-long": Help(
        "Ask for fewer ids at a time, or use a filter that names what they share, such "
        "as `label_selector`.",
        "A path with its query has at most 8000 bytes.",
        _VMS,
    ),
    "unsupported-media-type": Help(
        "Send JSON, with `Content-Type: application/json`.",
        'Unsupported media type "text/plain" in request.',
        _VMS,
    ),
    "idempotency-key-reused": Help(
        "Send a new key, such as a UUID, with every new request. Send a key again only to "
        "repeat its request.",
        "This Idempotency-Key was already used for a different request.",
        _VMS,
    ),
    "upgrade-required": Help(
        "Open the URL with a WebSocket client, or use `GET /events/stream`.",
        "Open a WebSocket here.",
        "/api/v1/events/ws",
    ),
    "rate-limited": Help(
        "Wait for `Retry-After`. To need fewer requests, wait with `Prefer: wait=N` "
        "instead of polling, and follow `/events` instead of listing.",
        "More than 120 requests in 60 seconds.",
        _VMS,
        {"violated_policies": ["default"]},
    ),
    "header-too-large": Help(
        "Shorten the header. Cookies of other applications on the same host are a usual "
        "cause.",
        "The header cookie has at most 8192 bytes.",
        _VMS,
        {"header": "cookie"},
    ),
    "internal-error": Help(
        "Report it to the operator with the `request_id`. Before you repeat a write, "
        "look at what became of it; with an `Idempotency-Key` a repetition is safe.",
        "Something went wrong. The log has the details, under the request id.",
        _VMS,
    ),
    "streams-not-served": Help(
        "Long-poll `GET /events?after=` with `Prefer: wait=30` instead, or ask the "
        "operator for a process that serves streams.",
        "This process serves no streams.",
        "/api/v1/events/stream",
    ),
    "openstack-error": Help(
        "Read `openstack.message`. A new request may succeed, for example once the cloud "
        "has room again; an operator finds `openstack.request_id` in the cloud's log.",
        "No valid host was found.",
        _VMS,
        {
            "vm": VM_ID,
            "openstack": {
                **_NOVA,
                "status": 500,
                "message": "No valid host was found.",
            },
        },
    ),
    "server-vanished": Help(
        "Delete the VM and create a new one; its disk went with its server.",
        "The server no longer exists in the cloud.",
        f"{_VM}/actions/stop",
        {"vm": VM_ID},
    ),
    "cloud-busy": Help(
        "Try again after `Retry-After`, and ask for fewer of these at the same time.",
        "Too many requests are waiting for the cloud default. Try again in a few seconds.",
        f"{_VM}/console-log",
    ),
    "database-unavailable": Help(
        "Try again after `Retry-After`, a POST with its `Idempotency-Key`.",
        "The database is not answering.",
        _VMS,
    ),
    "not-ready": Help(
        "Send requests elsewhere until it is ready. An operator looks at what `checks` "
        "names.",
        "Not available: broker.",
        "/health/ready",
        {"checks": {"database": "ok", "broker": "unavailable", "disk": "ok"}},
    ),
    "openstack-unavailable": Help(
        "Try again after `Retry-After`. If an operation failed with it, ask for the same "
        "again with a new `Idempotency-Key`.",
        "The cloud is not answering.",
        f"{_VM}/console-log",
    ),
    "openstack-timeout": Help(
        "Read the resource first: the cloud may have finished after all. If it has not, "
        "ask again with a new `Idempotency-Key`.",
        "Not finished within 1800 seconds.",
        f"{_VM}/actions/resize",
        {"vm": VM_ID},
    ),
}


def example(code: str) -> dict[str, Any]:
    """Return a document of a code as a client gets it."""
    problem, help = registry()[code], HELP[code]
    return {
        "type": f"https://host/problems/{code}",
        "title": problem.title,
        "status": problem.status,
        "code": code,
        "detail": help.detail,
        "retryable": problem.retryable,
        **help.members,
        "instance": help.instance,
        "request_id": REQUEST_ID,
    }
