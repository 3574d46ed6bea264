"""What the viewsets of all nouns share: strict queries in, headers out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import structlog
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet

from compute.api.http import idempotency, preconditions, waiting
from compute.api.http.fields import NoBody, RequestBody
from compute.api.http.filters import several
from compute.api.http.guarded import GuardedView
from compute.api.http.pagination import PARAMETERS as PAGE_PARAMETERS
from compute.api.http.parameters import joined
from compute.api.http.problems import (
    registry,
    respond,
)
from compute.bodies.body import Body
from compute.bodies.operations import OPERATION_BODY
from compute.database import is_away
from compute.engine import once
from compute.errors import NotFound, ValidationError
from compute.expected import unexpected
from compute.models import Operation, OperationStatus, Project

logger = structlog.get_logger("compute.api")

M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=waiting.HasOperation)

#: Seconds until it is worth asking for an operation again.
POLL_AFTER = "2"


#: What DRF calls these, in the words of permissions and of operation ids.
ACTION_NAMES = {"partial_update": "update", "destroy": "delete"}


class ResourceViewSet(GuardedView, GenericViewSet[M], Generic[M]):
    """One kind of resource."""

    lookup_field = "id"
    lookup_value_converter = "uuid"
    # No OPTIONS: what there is stands in the schema.
    http_method_names = [
        "get",
        "head",
        "post",
        "patch",
        "delete",
    ]
    #: How messages call one of them.
    noun: ClassVar[str]
    #: What one looks like.
    shows: ClassVar[Body]
    #: Whether its writes take a cloud, and so an operation; else they are done at once.
    starts_operations: ClassVar[bool] = True
    #: Action -> the body it takes.
    bodies: ClassVar[Mapping[str, type[RequestBody]]] = {}
    #: Fields a list can be ordered by, and how it is when nobody asks.
    orderings: ClassVar[Sequence[str]] = ()
    default_ordering: ClassVar[str] = "-created_at"
    #: Whether its list has no numbered pages: a total would cost more than it tells.
    cursor_only: ClassVar[bool] = False
    #: Action -> the query parameters it takes, beside those of a list.
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {}

    # In

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action and request.method not in ("GET", "HEAD"):
            self.prepare_answer()

    def prepare_answer(self) -> None:
        """Read what the answer of a write needs from the database beside its resource.

        Once a write is committed nothing more is asked of it: what fails then would be
        told as if the write had failed.
        """
        _ = self.access.grants

    def known_parameters(self) -> frozenset[str]:
        known = self.query_parameters.get(self.action, frozenset())
        if self.action != "list":
            return known
        filterset = getattr(self, "filterset_class", None)
        names = filterset.base_filters.keys() if filterset else ()
        pages = PAGE_PARAMETERS - ({"page"} if self.cursor_only else set())
        return known | pages | frozenset(names)

    def several_parameters(self) -> frozenset[str]:
        filterset = getattr(self, "filterset_class", None)
        filters = several(filterset) if filterset else frozenset()
        return filters | {"ordering"}

    def get_serializer_class(self) -> type[RequestBody]:
        """Return the body that a write takes."""
        return self.bodies.get(self.action, NoBody)

    def body(self) -> dict[str, Any]:
        """Return the valid body of this request, or raise."""
        serializer = self.get_serializer(
            data=self.request.data, partial=self.action == "partial_update"
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def expect(self, row: Any) -> None:
        """Raise PreconditionFailed unless a locked row is as the client knows it."""
        tag = None if row is None else self.tag_of(row)
        if not preconditions.are_met(self.request, tag):
            raise unexpected(row)

    def tag_of(self, row: Any) -> str:
        """Return the ETag of a row: its version, or else a digest of what it shows."""
        # By its version without looking at the rest: a VM's snapshots go by the VM's.
        version = getattr(row, "version", None)
        known = self.shown(row) if version is None else {"version": version}
        return preconditions.tag_of(known)

    # Who may

    @property
    def slug(self) -> str:
        """The noun as routes, permissions and events write it."""
        return self.noun.lower().replace(" ", "-")

    @property
    def permission(self) -> str:
        """The permission this request takes: ``vm.stop``."""
        action = ACTION_NAMES.get(self.action, self.action)
        return f"{self.slug}.{action}"

    def visible(
        self, queryset: QuerySet[Any, Any], *, field: str = "project_id"
    ) -> QuerySet[Any, Any]:
        """Return the rows that this principal may see at all; the others are 404."""
        return self.access.visible(queryset, f"{self.slug}.list", field=field)

    def permit(self, project_id: UUID | None) -> None:
        """Raise PermissionDenied unless this request may be made in a project."""
        self.project_id = project_id
        self.access.require(self.permission, project_id)

    def project(self, given: UUID | None) -> Project:
        """Return the project a new thing goes to, once it may go there.

        One that is not named is the API token's, or else the default project if this
        may be done there. It is never guessed from memberships: an admin adds members
        without asking them, and would choose where their next VM goes.
        """
        if given is None and self.access.token is not None:
            given = self.access.token.project_id
        alive = Project.objects.alive()
        named = alive.filter(pk=given) if given else alive.defaults()
        seen = self.access.visible(named, "project.retrieve", field="pk")
        found: Project | None = seen.first()
        if found is None or not (given or self.access.may(self.permission, found.pk)):
            raise ValidationError([_unknown_project(given)])
        self.permit(found.pk)
        return found

    def get_object(self) -> M:
        """Return the model, to act on, or raise NotFound or PermissionDenied."""
        found: Any = self._first(self.get_queryset())
        self.target = found
        self.permit(found.project_id)
        return found  # type: ignore[no-any-return]  # a row of this viewset's model

    def rows(self, queryset: QuerySet[M]) -> QuerySet[Any, Any]:
        """Return the same to read only, as `shown` and a cursor need it.

        Dictionaries cost half of what models do.
        """
        return queryset.values(*{*self.shows.columns, *self.orderings, "id"})

    def _first(self, queryset: QuerySet[Any, Any], id: UUID | None = None) -> Any:
        id = id or self.kwargs["id"]
        found = queryset.filter(pk=id).first()
        if found is None:
            raise NotFound(f"No {self.noun} {id}.")
        return found

    # Out

    def get_view_name(self) -> str:
        """Return how the browsable API calls this page."""
        name = getattr(self, "name", None) or f"{self.noun[0].upper()}{self.noun[1:]}"
        return f"{name}s" if self.suffix == "List" else str(name)

    def shown(self, row: Any) -> dict[str, Any]:
        """Return the body of a model, or of one of `rows`."""
        return self.shows.show(row, self.reader)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them, a page at a time."""
        queryset: QuerySet[M] = self.filter_queryset(self.get_queryset())
        page = self.paginate_queryset(queryset)
        return self.get_paginated_response([self.shown(row) for row in page or ()])

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one."""
        return self.item(self._first(self.rows(self.get_queryset())))

    def item(self, resource: Any, *, status: int = 200) -> Response:
        """Answer with one resource and its ETag."""
        body = self.shown(resource)
        etag = preconditions.tag_of(body)
        if self.request.method in ("GET", "HEAD") and preconditions.is_unchanged(
            self.request, etag
        ):
            return Response(status=304, headers={"ETag": etag})
        return Response(body, status=status, headers={"ETag": etag})

    def submit(
        self, call: Callable[[], R], *, project_id: UUID, created: bool = False
    ) -> Response:
        """Call a service that starts an operation, and answer as the client prefers.

        202 while the operation lives, 200 or 201 once it succeeded, and the problem
        it ended with when it failed. With an Idempotency-Key that was sent before
        nothing is called: the answer tells what became of the first request.
        """
        key = idempotency.key_of(self.request, self.actor, project_id=project_id)
        keyed = partial(once.start, key, call, waiting.operation_of)
        try:
            return self.answer(waiting.submit(self.request, keyed), created=created)
        except once.Replayed as first:
            self.note_replay()
            outcome = waiting.again(self.request, first.operation)
        response = self.answer(outcome, created=created)
        if response.status_code < 400:
            self.remaining(outcome.resource.pk)
        else:
            # The key stands for what failed: it takes a new one to ask again.
            response.data["retryable"] = False
            response.headers.pop("Retry-After", None)
        return response

    def made(self, call: Callable[[], M], *, project_id: UUID | None) -> Response:
        """Call a service that makes a row at once, and answer 201.

        With an Idempotency-Key that was sent before, the row as it is now.
        """
        key = idempotency.key_of(self.request, self.actor, project_id=project_id)
        try:
            row = once.make(key, call, attrgetter("pk"))
        except once.AlreadyMade as first:
            self.note_replay()
            row = self.remaining(first.resource_id)
        response = self.item(row, status=201)
        response.headers["Location"] = self.url(self.slug, row.pk)
        return response

    # A request that was sent before. It is told how the first one ended: the problem if
    # it failed, else what it made or changed, as a GET would show it now.

    def note_replay(self) -> None:
        """Mark the answer, whatever it will be, as one to a repeated request."""
        self.headers["Idempotent-Replayed"] = "true"

    def remaining(self, id: UUID) -> Any:
        """Return what the first request made, or raise NotFound if it is gone."""
        found = self.get_queryset().filter(pk=id).first()
        if found is None:
            raise NotFound(
                f"The first request with this Idempotency-Key made or changed the "
                f"{self.noun} {id}, which has been deleted since."
            )
        return found

    def answer(self, outcome: waiting.Outcome[Any], *, created: bool) -> Response:
        """Return what a write has come to, or else what was committed of it.

        It is done, whatever goes wrong from here on: an error would say it is not.
        """
        try:
            response = self.come_to(outcome, created=created)
        except Exception as error:
            if not is_away(error):
                logger.exception("what became of a write cannot be shown")
            response = self.item(outcome.resource, status=202)
        return self.with_operation(
            response, outcome, location=outcome.resource.pk if created else None
        )

    def come_to(self, outcome: waiting.Outcome[Any], *, created: bool) -> Response:
        resource: Any = outcome.resource
        if outcome.waited:
            resource = (
                type(resource).objects.select_related("operation").get(pk=resource.pk)
            )
            self.prepare_answer()  # again: what it read is as old as the wait
        if outcome.ended:
            failure = self.failure(outcome.operation_id)
            if failure is not None:
                return failure
        done = 201 if created else 200
        return self.item(resource, status=done if outcome.ended else 202)

    def with_operation(
        self, response: Response, outcome: waiting.Outcome[Any], *, location: Any
    ) -> Response:
        headers = response.headers
        headers["Operation-Location"] = self.url("operation", outcome.operation_id)
        if location is not None:
            headers["Location"] = self.url(self.slug, location)
        if response.status_code == 202:
            headers["Retry-After"] = POLL_AFTER
        if outcome.applied is not None:
            headers["Preference-Applied"] = outcome.applied
        return response

    def failure(self, operation_id: UUID) -> Response | None:
        """Return the answer to an operation that did not succeed."""
        operation = Operation.objects.get(pk=operation_id)
        if operation.status == OperationStatus.SUCCEEDED:
            return None
        error = OPERATION_BODY.show(operation, self.reader)["error"]
        problem = registry()[error["code"]]
        retry_after = problem.retry_after if error["retryable"] else None
        return respond(error, self.request, retry_after=retry_after)

    def url(self, noun: str, id: Any) -> str:
        return reverse(f"{noun}-detail", kwargs={"id": id}, request=self.request)

    def event_sequence(self) -> int | None:
        """Return the newest event of the one project a list is about, if it is one."""
        access, asked = self.access, joined(self.request).get("project")
        operator = access.is_operator_for(self.permission)
        if asked is None:
            # An operator's list is about all projects.
            known = () if operator else tuple(access.grants.values())
            return known[0].event_sequence if len(known) == 1 else None
        with suppress(ValueError):
            project_id = UUID(asked)
            if not operator:
                grant = access.grants.get(project_id)
                return grant.event_sequence if grant else None
            found = Project.objects.filter(pk=project_id)
            return found.values_list("event_sequence", flat=True).first()
        return None

    def page_extras(self, data: Any) -> dict[str, Any]:
        """Return what the browsable API shows above the JSON, by template variable."""
        rows = data.get("results", ())
        return {
            "rows": [
                {
                    "id": row["id"],
                    "label": row.get("name") or row["type"],
                    "status": row.get("status"),
                    "url": self.url(self.slug, row["id"]),
                }
                for row in rows
            ],
            "related": [] if rows else self.related(data),
        }

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        """Return links, with their labels, from one resource to others."""
        return []


def _unknown_project(given: UUID | None) -> dict[str, str]:
    code, detail = (
        ("does_not_exist", f"No project {given}.")
        if given
        else ("required", "Name the project.")
    )
    return {"pointer": "#/project", "code": code, "detail": detail}
