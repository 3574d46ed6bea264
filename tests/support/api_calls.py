"""Every call there is: each route and method of the URL conf, and how to make it.

What a call takes stands here in the words of `compute.permissions`; it is written
down, not read from the views, which are what is tested.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from compute.events import Actor
from compute.models import VM, Keypair, Snapshot, User, Webhook
from compute.models.vm import VERBS
from compute.services import logins
from tests.support.call import (
    API,
    KNOWN,
    PUBLIC,
    Call,
    Route,
    of,
    of_noun,
    send,
    undone,
)
from tests.support.network_calls import network_calls
from tests.support.populated_projects import NETWORK_MODELS, PASSWORD, Place
from tests.support.webhook_calls import webhook_calls

__all__ = [
    "API",
    "CALLS",
    "KNOWN",
    "METHODS",
    "NOWHERE",
    "PUBLIC",
    "Call",
    "Route",
    "of",
    "routed",
    "send",
    "undone",
]

#: What begins so has tests of its own: it is for browsers, and no API.
ELSEWHERE = "admin/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: Everything else under the API.
NOWHERE = f"{API}/<path:rest>"


# What the URL conf has


def routed() -> set[Route]:
    """Return every route of the service with every method it answers."""
    return set(_routes(get_resolver()))


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        path = f"{prefix}{pattern.pattern}"
        if path.startswith(ELSEWHERE):
            continue
        if isinstance(pattern, URLPattern):
            yield from ((method, path) for method in _methods(pattern.callback))
        else:
            yield from _routes(pattern, path)


def _methods(view: Any) -> list[str]:
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if kind is None:
        return ["GET", "HEAD"]  # a function, which reads
    handlers = getattr(view, "actions", None) or dir(kind)
    known = {name.upper() for name in handlers if name in kind.http_method_names}
    # A view without handlers answers all methods the same way, before it looks for one.
    methods = known & {*METHODS} or {*METHODS}
    return [*methods, "HEAD"] if "GET" in methods else [*methods]


# How to make each call


def _refresh_token(place: Place) -> dict[str, str]:
    user = place.people["reader"]
    found = logins.begin_tokens(user, actor=Actor("system"), user_agent="")
    return {"refresh": found.refresh}


def _password(place: Place) -> dict[str, str]:
    user = User.objects.get(pk=place.people["reader"].pk)
    user.set_password(PASSWORD)
    user.save()
    return {"username": user.username, "password": PASSWORD}


def _is(status: str) -> Callable[[Place], object]:
    return lambda place: VM.objects.filter(pk=place.vm.pk).update(status=status)


def _is_empty(place: Place) -> None:
    gone = {"status": "DELETED", "deleted_at": timezone.now()}
    models: tuple[type[Model], ...] = (VM, Snapshot, *NETWORK_MODELS)
    for model in models:
        model._default_manager.filter(project=place.project).update(**gone)
    for at_once in (Keypair, Webhook):
        at_once.objects.filter(project=place.project).update(deleted_at=timezone.now())


_ACTION_BODIES: Mapping[str, Callable[[Place], Any]] = {
    "resize": lambda place: {"flavor": "m1.medium"},
    "rebuild": lambda place: {"image": "ubuntu-22.04"},
    "restore": lambda place: {"snapshot": str(place.snapshot.pk)},
    "attach-network": lambda place: {"network": str(place.ids["spare_network"])},
    "detach-network": lambda place: {"network": str(place.ids["network"])},
    "set-security-groups": lambda place: {"security_groups": [str(place.ids["group"])]},
}


def _vm_actions() -> Iterator[Call]:
    # Of two verbs that are one action, the stricter one: what it takes, both take.
    for verb in {verb.action: verb for verb in reversed(VERBS.values())}.values():
        if verb.action not in ("delete", "snapshot"):
            yield Call(
                "POST",
                f"{API}/vms/<uuid:id>/actions/{verb.action}",
                f"vm.{verb.action}",
                sees="vm.list",
                ids={"id": "vm"},
                body=_ACTION_BODIES.get(verb.action),
                prepare=_is(next(iter(verb.ends))),
                success=202,
            )


def _table() -> Iterator[Call]:
    vm, snapshot = f"{API}/vms/<uuid:id>", f"{API}/snapshots/<uuid:id>"
    project, token = f"{API}/projects/<uuid:id>", f"{API}/api-tokens/<uuid:id>"
    described = {"description": "other"}
    yield from (
        Call("GET", "", PUBLIC, success=302),
        Call("GET", "admin", PUBLIC, success=302),
        Call("GET", "health", PUBLIC),
        Call("GET", "health/ready", PUBLIC),
        Call("GET", "problems", PUBLIC),
        Call("GET", "problems/<slug:code>", PUBLIC, ids={"code": "not-found"}),
        Call("GET", f"{API}/schema", PUBLIC),
        Call("GET", f"{API}/docs", PUBLIC),
        Call("GET", f"{API}/docs/index", PUBLIC),
        Call(
            "GET",
            f"{API}/docs/guides/<guide:name>",
            PUBLIC,
            ids={"name": "getting-started"},
        ),
        Call("POST", f"{API}/auth/tokens", PUBLIC, body=_password),
        Call("POST", f"{API}/auth/tokens/refresh", PUBLIC, body=_refresh_token),
        Call(
            "POST",
            f"{API}/auth/tokens/revoke",
            PUBLIC,
            body=_refresh_token,
            success=204,
        ),
        Call("GET", f"{API}/", KNOWN),
        Call("GET", f"{API}/auth/me", KNOWN),
        # The catalogue belongs to no project, but for the images of snapshots.
        Call("GET", f"{API}/flavors", KNOWN, shows="flavor"),
        Call("GET", f"{API}/flavors/<uuid:id>", KNOWN, ids={"id": "flavor"}),
        Call("GET", f"{API}/images", "image.list", shows="image"),
    )
    yield from of_noun(
        "image",
        "image",
        f"{API}/images/<uuid:id>",
        Call("GET", "", "image.retrieve"),
    )
    yield Call("GET", f"{API}/vms", "vm.list", shows="vm")
    yield Call(
        "POST",
        f"{API}/vms",
        "vm.create",
        sees="project.retrieve",
        unseen=400,
        body=lambda place: {
            "name": "new",
            "flavor": "m1.small",
            "image": "ubuntu-22.04",
            "project": str(place.project.pk),
        },
        success=202,
    )
    yield from of_noun(
        "vm",
        "vm",
        vm,
        Call("GET", "", "vm.retrieve"),
        Call("PATCH", "", "vm.update", body=lambda place: described),
        Call("DELETE", "", "vm.delete", success=202),
    )
    yield from of_noun("vm", "vm", f"{vm}/console", Call("GET", "", "vm.console"))
    yield from of_noun(
        "vm", "vm", f"{vm}/console-log", Call("GET", "", "vm.console-log")
    )
    yield from _vm_actions()
    yield from of_noun(
        "vm",
        "vm",
        f"{vm}/snapshots",
        Call("GET", "", "snapshot.list"),
        Call(
            "POST",
            "",
            "snapshot.create",
            body=lambda place: {"name": "new"},
            success=202,
        ),
    )
    yield Call("GET", f"{API}/snapshots", "snapshot.list", shows="snapshot")
    yield from of_noun(
        "snapshot",
        "snapshot",
        snapshot,
        Call("GET", "", "snapshot.retrieve"),
        Call("PATCH", "", "snapshot.update", body=lambda place: described),
        Call("DELETE", "", "snapshot.delete", success=202),
    )
    yield Call("GET", f"{API}/keypairs", "keypair.list", shows="keypair")
    yield Call(
        "POST",
        f"{API}/keypairs",
        "keypair.create",
        sees="project.retrieve",
        unseen=400,
        body=lambda place: {"name": "new", "project": str(place.project.pk)},
        success=201,
    )
    yield from of_noun(
        "keypair",
        "keypair",
        f"{API}/keypairs/<uuid:id>",
        Call("GET", "", "keypair.retrieve"),
        Call("DELETE", "", "keypair.delete", success=204),
    )
    yield from network_calls()
    yield from webhook_calls()
    yield Call("GET", f"{API}/operations", "operation.list", shows="operation")
    yield from of_noun(
        "operation",
        "operation",
        f"{API}/operations/<uuid:id>",
        Call("GET", "", "operation.retrieve"),
    )
    yield from of_noun(
        "operation",
        "operation",
        f"{API}/operations/<uuid:id>/actions/cancel",
        # Nobody has begun it, so that it is over at once.
        Call("POST", "", "operation.cancel"),
    )
    yield Call("GET", f"{API}/projects", "project.list", shows="project")
    yield Call(
        "POST",
        f"{API}/projects",
        "project.create",
        body=lambda place: {"name": "new"},
        success=201,
    )
    yield from of_noun(
        "project",
        "project",
        project,
        Call("GET", "", "project.retrieve"),
        Call("PATCH", "", "project.update", body=lambda place: described),
        Call("DELETE", "", "project.delete", prepare=_is_empty, success=204),
    )
    yield from of_noun(
        "project",
        "project",
        f"{project}/quota",
        Call("GET", "", "quota.retrieve"),
        Call("PATCH", "", "quota.update", body=lambda place: {"vms": {"limit": 5}}),
    )
    yield from of_noun(
        "project", "project", f"{project}/members", Call("GET", "", "member.list")
    )
    for call in of_noun(
        "project",
        "project",
        f"{project}/members/<str:username>",
        Call("GET", "", "member.retrieve"),
        Call("PUT", "", "member.set", body=lambda place: {"role": "member"}),
        Call("DELETE", "", "member.remove", success=204),
    ):
        yield replace(call, ids={"id": "project", "username": "leaver"})
    yield Call("GET", f"{API}/api-tokens", "api-token.list", shows="token")
    yield Call(
        "POST",
        f"{API}/api-tokens",
        "api-token.create",
        sees="project.retrieve",
        unseen=400,
        body=lambda place: {"name": "new", "project": str(place.project.pk)},
        success=201,
    )
    yield from of_noun(
        "api-token",
        "token",
        token,
        Call("GET", "", "api-token.retrieve"),
        Call("DELETE", "", "api-token.delete", success=204),
    )
    # Who is an admin nowhere is told so, rather than shown a log without entries.
    yield Call(
        "GET", f"{API}/events", "event.list", shows="event", unseen=403, elsewhere=200
    )
    # Not one of these is sent to a server that has streams (tests/realtime).
    yield Call(
        "GET",
        f"{API}/events/stream",
        "event.stream",
        query={"project": "project"},
        elsewhere=400,
        success=501,
    )
    yield Call("GET", f"{API}/events/ws", KNOWN, success=426)
    yield Call(
        "POST", f"{API}/events/tickets", "event.list", elsewhere=201, success=201
    )
    for call in of_noun(
        "event", "event", f"{API}/events/<uuid:id>", Call("GET", "", "event.retrieve")
    ):
        yield replace(call, unseen=403)


def _with_other_methods(table: list[Call]) -> Iterator[Call]:
    for call in table:
        yield call
        if call.method == "GET":
            yield replace(call, method="HEAD")
            if call.success == 302:
                for method in METHODS[2:]:
                    yield replace(call, method=method)
    for method in METHODS:
        yield Call(method, NOWHERE, KNOWN, ids={"rest": "nowhere"}, success=404)


CALLS: tuple[Call, ...] = tuple(_with_other_methods(list(_table())))
