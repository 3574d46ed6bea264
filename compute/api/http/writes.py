"""A write over HTTP, from its Idempotency-Key to its answer."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Model, QuerySet
from rest_framework.response import Response

from compute.api.http import waits
from compute.api.http.idempotency import key_of
from compute.api.http.prefer import POLL_AFTER, preference
from compute.api.http.problems import registry, respond
from compute.bodies.operations import OPERATION_BODY
from compute.bodies.reader import Reader
from compute.database import is_away
from compute.engine import once, waiting
from compute.engine.waiting import Steps
from compute.errors import NotFound, OperationInProgress
from compute.events import Actor
from compute.models import Operation, OperationStatus, kinds

logger = structlog.get_logger("compute.api")


class HasOperation(Protocol):
    operation_id: UUID | None


class View(waits.View, Protocol):
    """What a write needs of the viewset it came to."""

    headers: dict[str, str]
    noun: ClassVar[str]

    @property
    def slug(self) -> str: ...
    @property
    def actor(self) -> Actor: ...
    @property
    def reader(self) -> Reader: ...
    def get_queryset(self) -> QuerySet[Any, Any]: ...
    def prepare_answer(self) -> None: ...
    def item(self, row: Any, *, status: int = 200) -> Response: ...
    def url(self, noun: str, id: Any) -> str: ...


@dataclass(slots=True)
class Begun:
    """A write whose operation is committed."""

    #: As the service returned it, so older than any wait.
    row: Any
    operation_id: UUID
    ended: bool = False
    #: The request was sent before; this is what the first one began.
    replayed: bool = False


def submit(
    view: View,
    call: Callable[[], HasOperation],
    *,
    project_id: UUID | None,
    created: bool = False,
) -> Response:
    """Call a service that starts an operation, and answer as the client prefers.

    202 while the operation lives, 200 or 201 once it succeeded, and the problem it ended
    with when it failed. While its target is busy and there is time left it queues; what
    is left then is for its own end. A request that was sent before calls nothing: it is
    told what became of the first, the problem or else the resource as a GET would show
    it now.
    """
    steps = _submitted(view, call, project_id=project_id, created=created)
    return waits.perform(view, steps)


def _submitted(
    view: View,
    call: Callable[[], HasOperation],
    *,
    project_id: UUID | None,
    created: bool,
) -> Steps[Response]:
    key = key_of(view.request, view.actor, project_id=project_id)
    wanted = preference(view.request, default=settings.API_DEFAULT_WAIT_SECONDS)
    deadline = time.monotonic() + wanted.wait
    with waiting.place(view.request) if wanted.wait else nullcontext() as wait:
        try:
            begun = yield from begin(key, call, wait, deadline=deadline)
        except once.Replayed as first:
            begun = _begun_before(view, first)
        if wait is not None and not begun.ended:
            begun.ended = yield from wait.until_end(
                begun.operation_id, deadline=deadline
            )
    waited = wait is not None or begun.replayed
    response = _answer(view, begun, waited=waited, created=created)
    if wanted.applied and (wait is not None or not wanted.wait or begun.ended):
        response.headers["Preference-Applied"] = wanted.applied
    if not begun.replayed:
        return response
    if response.status_code < 400:
        remaining(view, begun.row.pk)
    else:
        # The key stands for what failed: it takes a new one to ask again.
        response.data["retryable"] = False
        response.headers.pop("Retry-After", None)
    return response


def begin(
    key: once.Key | None,
    call: Callable[[], HasOperation],
    wait: waiting.Wait | None,
    *,
    deadline: float,
) -> Steps[Begun]:
    """Call a service once per key; while its target is busy, again after a wait."""
    while True:
        try:
            with once.claim(key) as claim:
                row = call()
                if row.operation_id is None:
                    raise RuntimeError(
                        "a service returned a resource without its operation"
                    )
                claim.remember(operation_id=row.operation_id)
                return Begun(row, row.operation_id)
        except OperationInProgress as error:
            if wait is None:
                raise
            busy = error
        if not (yield from wait.until_free(busy, deadline=deadline)):
            raise busy


def _begun_before(view: View, first: once.Replayed) -> Begun:
    view.headers["Idempotent-Replayed"] = "true"
    operation = first.operation
    row = kinds.target(operation)
    return Begun(row, operation.pk, ended=not operation.is_live, replayed=True)


def _answer(view: View, begun: Begun, *, waited: bool, created: bool) -> Response:
    """Return what a write has come to, or else what was committed of it.

    It is done, whatever goes wrong from here on: an error would say it is not.
    """
    row, response = begun.row, None
    try:
        if waited:
            row = type(row).objects.select_related("operation").get(pk=row.pk)
            view.prepare_answer()  # again: what it read is as old as the wait
        if begun.ended:
            response = _failure(view, begun.operation_id)
        done = 201 if created else 200
        response = response or view.item(row, status=done if begun.ended else 202)
    except Exception as error:
        if not is_away(error):
            logger.exception("the result of a write cannot be shown")
        response = view.item(begun.row, status=202)
    response.headers["Operation-Location"] = view.url("operation", begun.operation_id)
    if created:
        response.headers["Location"] = view.url(view.slug, begun.row.pk)
    if response.status_code == 202:
        response.headers["Retry-After"] = POLL_AFTER
    return response


def _failure(view: View, operation_id: UUID) -> Response | None:
    """Return the answer to an operation that did not succeed."""
    operation = Operation.objects.get(pk=operation_id)
    if operation.status == OperationStatus.SUCCEEDED:
        return None
    error = OPERATION_BODY.show(operation, view.reader)["error"]
    problem = registry()[error["code"]]
    retry_after = problem.retry_after if error["retryable"] else None
    return respond(error, view.request, retry_after=retry_after)


def make(
    view: View,
    call: Callable[[], Any],
    *,
    project_id: UUID | None,
    shown_once: str | None = None,
    status: int = 201,
) -> Response:
    """Call a service that makes a row at once, and answer 201.

    Of one that changes a row, or leaves the rest to others, the status is 200 or 202.
    With ``shown_once`` the service also returns a secret, which the body shows under that
    name: it is not stored. A request that was sent before calls nothing, and is answered
    with the row as it is now.
    """
    key = key_of(view.request, view.actor, project_id=project_id)
    shown = None
    try:
        with once.claim(key) as claim:
            made = call()
            row, shown = made if shown_once else (made, None)
            claim.remember(resource_id=row.pk)
    except once.Replayed as first:
        view.headers["Idempotent-Replayed"] = "true"
        row = remaining(view, first.resource_id)
    response = view.item(row, status=status)
    if status != 200:
        response.headers["Location"] = view.url(view.slug, row.pk)
    if status == 202:
        response.headers["Retry-After"] = POLL_AFTER
    if shown_once:
        response.data[shown_once] = shown
        response.headers["Cache-Control"] = "no-store"
    return response


def remaining(view: View, id: UUID | None) -> Model:
    """Return what the first request made or changed; raise NotFound if it is gone."""
    row: Model | None = view.get_queryset().filter(pk=id).first()
    if row is None:
        raise NotFound(
            f"The first request with this Idempotency-Key made or changed the "
            f"{view.noun} {id}, which has been deleted since."
        )
    return row
