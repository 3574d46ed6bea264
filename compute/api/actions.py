"""The table of actions over HTTP: a method and a request body for each."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rest_framework.decorators import action as route
from rest_framework.fields import Field, empty
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http import writes
from compute.api.http.fields import Flag, Line, Names, NoBody, RequestBody, Word
from compute.api.http.viewset import ResourceViewSet
from compute.services.actions import Action, Argument

V = TypeVar("V", bound=type[ResourceViewSet[Any]])


def offer(actions: Iterable[Action]) -> Callable[[V], V]:
    """Give a viewset `POST …/actions/<verb>` for each of some actions."""
    offered = list(actions)

    def decorate(viewset: V) -> V:
        for action in offered:
            setattr(viewset, action.method, _method(action))
        own = {action.method: _request_body(action) for action in offered}
        viewset.bodies = {**viewset.bodies, **own}
        return viewset

    return decorate


def _method(action: Action) -> Any:
    def method(self: ResourceViewSet[Any], request: Request, id: Any) -> Response:
        return act(self, action.service)

    method.__name__ = action.method
    method.__doc__ = action.summary
    path = f"actions/{action.verb}"
    return route(detail=True, methods=["post"], url_path=path, url_name=action.verb)(
        method
    )


def act(view: ResourceViewSet[Any], service: Callable[..., Any]) -> Response:
    """Call a service that takes a row, and by name what the body holds."""
    row, body = view.get_target(), view.body()
    actor, expect = view.actor, view.expect
    return writes.submit(
        view,
        lambda: service(row, actor=actor, expect=expect, **body),
        project_id=row.project_id,
    )


def _request_body(action: Action) -> type[RequestBody]:
    """Return the body that takes its arguments; it is called as the verb is."""
    if not action.arguments:
        return NoBody
    members = {argument.name: _field(argument) for argument in action.arguments}
    example = {
        argument.name: list(argument.example)
        if isinstance(argument.example, tuple)
        else argument.example
        for argument in action.arguments
    }
    name = action.label.title().replace(" ", "")
    if action.name.partition(".")[0] != "vm":
        name = f"{action.name.partition('.')[0].title().replace('-', '')}{name}"
    return type(name, (RequestBody,), {**members, "example": example})


def _field(argument: Argument) -> Field[Any, Any, Any, Any]:
    if argument.type == "flag":
        return Flag(required=False, help_text=argument.help)
    if argument.type == "texts":
        return Names(required=not argument.is_optional, help_text=argument.help)
    if argument.choices is None:
        return Line(
            required=not argument.is_optional,
            allow_null=argument.is_nullable,
            help_text=argument.help,
            style={"placeholder": argument.name},
        )
    return Word(
        choices=argument.choices.choices,
        default=empty if argument.default is None else str(argument.default),
        help_text=argument.help,
    )
