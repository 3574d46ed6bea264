"""A POST that is sent again after what it made is gone: one rule for all of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone

from compute.models import VM, APIToken, Keypair, Project, Snapshot, Webhook
from compute.models.kinds import KINDS
from compute.models.network_resource import NetworkResource
from tests.conftest import Drain
from tests.support.api import Api, access_token, operator, problem
from tests.support.api_calls import API, CALLS, NOWHERE, Call, send, undone
from tests.support.populated_projects import Place

KEY = "6f1c0f0e-0b7e-4b6e-9d0a-3a3f1d1b2c11"
REPLAYED = "Idempotent-Replayed"
SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text())

#: A ticket is given once.
WITHOUT = {NOWHERE, f"{API}/events/tickets"}
#: Every POST that takes a key.
POSTS = [
    call
    for call in CALLS
    if call.method == "POST" and call.is_secured and call.path not in WITHOUT
]
#: What they are about can be removed; an operation stays.
REMOVING = [call for call in POSTS if "operations" not in call.path]


def documented(call: Call) -> set[int]:
    """Return the statuses that the schema has for a call."""
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", call.path)
    return {int(status) for status in SCHEMA["paths"][path]["post"]["responses"]}


def remove(url: str) -> None:
    """Remove what a URL names as its own DELETE would, once that has ended."""
    now = timezone.now()
    gone: dict[str, tuple[Any, dict[str, Any]]] = {
        "vms": (VM, {"status": "DELETED", "deleted_at": now}),
        "snapshots": (Snapshot, {"status": "DELETED", "deleted_at": now}),
        **{
            kind.plural: (kind.model, {"status": "DELETED", "deleted_at": now})
            for kind in KINDS.values()
            if issubclass(kind.model, NetworkResource)
        },
        "projects": (Project, {"deleted_at": now}),
        "keypairs": (Keypair, {"deleted_at": now}),
        "webhooks": (Webhook, {"deleted_at": now}),
        "api-tokens": (APIToken, {"revoked_at": now}),
    }
    noun, id = url.partition(f"{API}/")[2].split("/")[:2]
    model, fields = gone[noun]
    assert model.objects.filter(pk=id).update(**fields) == 1


def post(bearer: str, call: Call, place: Place) -> Any:
    url, body = call.url(place), call.content(place)
    return send(bearer, "POST", url, body, Idempotency_Key=KEY)


def test_there_are_such_calls() -> None:
    paths = {call.path.removeprefix(f"{API}/") for call in POSTS}
    assert {"vms", "projects", "api-tokens", "vms/<uuid:id>/snapshots"} <= paths
    assert not any(path.startswith("auth") for path in paths)


def test_a_replay_of_what_is_gone_is_404_everywhere(place: Place) -> None:
    bearer = access_token(operator())
    for call in REMOVING:
        with undone():
            if call.prepare:
                call.prepare(place)
            first = post(bearer, call, place)
            assert first.status_code == call.success, (call.name, first.content)
            again = post(bearer, call, place)
            assert again.status_code == call.success, (call.name, again.content)
            assert again.headers[REPLAYED] == "true"
            remove(first.headers.get("Location", call.url(place)))
            late = post(bearer, call, place)
            assert late.status_code == 404, (call.name, late.content)
            problem(late, 404, "not-found")
            assert 404 in documented(call), call.name
            # A delivery is gone with its webhook, which is missed first.
            if "Location" in first.headers and "webhooks/<" not in call.path:
                assert late.headers[REPLAYED] == "true", call.name
                assert "deleted since" in late.json()["detail"]
                url = first.headers["Location"].replace("http://testserver", "")
                assert send(bearer, "GET", url).status_code == 404, call.name


def test_every_replay_is_in_the_schema() -> None:
    for call in POSTS:
        assert {404, 409, 422} <= documented(call), call.name


def test_a_cancel_is_told_as_long_as_there_is_its_operation(place: Place) -> None:
    bearer = access_token(operator())
    (call,) = [call for call in POSTS if "operations" in call.path]
    first = post(bearer, call, place)
    again = post(bearer, call, place)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")


@pytest.mark.usefixtures("catalogue")
def test_a_failure_is_told_although_its_vm_is_gone(
    api: Api, cloud: Any, drain: Drain
) -> None:
    body = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    cloud.controls.inject("servers.create", kind="build_error", message="No valid host")
    made = api.post("/vms", body, Idempotency_Key=KEY)
    drain()
    remove(made.headers["Location"])
    again = api.post("/vms", body, Idempotency_Key=KEY)
    assert again.status_code == 502
    assert "No valid host" in again.json()["detail"]
    assert again.headers[REPLAYED] == "true"


@pytest.mark.usefixtures("catalogue")
def test_a_vm_that_was_deleted_is_not_answered_as_made(api: Api, drain: Drain) -> None:
    body = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    made = api.post("/vms", body, Idempotency_Key=KEY)
    drain()
    path = f"/vms/{made.json()['id']}"
    api.delete(path)
    drain()
    again = api.post("/vms", body, Idempotency_Key=KEY, Prefer="wait=5")
    problem(again, 404, "not-found")
    assert "Location" not in again.headers
    assert VM.objects.count() == 1
