"""What the viewsets of all nouns share: strict queries in, headers out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Model, QuerySet, UUIDField
from django.http import HttpResponse
from django.utils.functional import cached_property
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compute.access import ONE, Scope
from compute.ahead import Ahead
from compute.api.http import preconditions
from compute.api.http.fields import NoBody, RequestBody
from compute.api.http.filters import several
from compute.api.http.noun_pages import NounPages
from compute.api.http.pagination import PARAMETERS as PAGE_PARAMETERS
from compute.api.http.parameters import joined
from compute.api.http.renderers import HTMLRenderer, JSONRenderer
from compute.api.http.rows import Page, Rows, selection
from compute.bodies.body import Body
from compute.bodies.written import writer_of
from compute.errors import NotFound, ValidationError
from compute.expected import unexpected
from compute.models import Project
from compute.statements import Slot, kept

M = TypeVar("M", bound=Model)


def with_id(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return rows.filter(pk=Slot("id", UUIDField()))


#: Projects of a scope up to which its statements are kept.
MAX_SLOTS = 50

#: What DRF calls these, in the words of permissions and of operation ids.
ACTION_NAMES = {"partial_update": "update", "destroy": "delete"}


class ResourceViewSet(NounPages, GenericViewSet[M], Generic[M]):
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
    #: What one looks like.
    shows: ClassVar[Body]
    #: Action -> what it answers with, where that is something else.
    shows_of: ClassVar[Mapping[str, Body]] = {}
    #: Whether its writes take a cloud, and so an operation; else they are done at once.
    starts_operations: ClassVar[bool] = True
    #: Action -> the status of its answer, of one that is done at once and is neither a
    #: create nor a delete.
    statuses: ClassVar[Mapping[str, int]] = {}
    #: Action -> the body it takes.
    bodies: ClassVar[Mapping[str, type[RequestBody]]] = {}
    #: Fields that a list can be ordered by, and its default order.
    orderings: ClassVar[Sequence[str]] = ()
    default_ordering: ClassVar[str] = "-created_at"
    #: Whether its list has no numbered pages: a total would cost more than it is worth.
    cursor_only: ClassVar[bool] = False
    #: Action -> the query parameters it takes, beside those of a list.
    query_parameters: ClassVar[Mapping[str, Sequence[OpenApiParameter]]] = {}
    #: Reads that wait for the end of an operation with `Prefer: wait`.
    long_polls: ClassVar[frozenset[str]] = frozenset()

    #: Action -> operations that follow from its answer, with the field of the body that
    #: is their `id`.
    links: ClassVar[Mapping[str, Mapping[str, str]]] = {}

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
        own = self.query_parameters.get(self.action, ())
        known = frozenset(parameter.name for parameter in own)
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
    def permission(self) -> str:
        """The permission this request takes: ``vm.stop``."""
        action = ACTION_NAMES.get(self.action, self.action)
        return f"{self.slug}.{action.replace('_', '-')}"

    @property
    def scope(self) -> Scope:
        """The projects whose rows this principal may see at all; others are 404."""
        return self.access.scope(f"{self.slug}.list")

    def permit(self, project_id: UUID | None) -> None:
        """Raise PermissionDenied unless this request may be made in a project."""
        self.project_id = project_id
        self.access.require(self.permission, project_id)

    def project(self, project_id: UUID | None) -> Project:
        """Return the project a new thing goes to, once it may go there.

        One that is not named is the API token's, or else the default project if this
        may be done there. It is never guessed from memberships: an admin adds members
        without asking them, and would choose where their next VM goes.
        """
        if project_id is None and self.access.token is not None:
            project_id = self.access.token.project_id
        alive = Project.objects.alive()
        named = alive.filter(pk=project_id) if project_id else alive.defaults()
        projects = self.access.visible(named, "project.retrieve", field="pk")
        project: Project | None = projects.first()
        if project is None or not (
            project_id or self.access.may(self.permission, project.pk)
        ):
            raise ValidationError([_unknown_project(project_id)])
        self.permit(project.pk)
        return project

    def get_object(self) -> M:
        """Return the model, to act on, or raise NotFound or PermissionDenied."""
        found: Any = self._first(self.get_queryset())
        self.target = found
        self.permit(found.project_id)
        return found  # type: ignore[no-any-return]  # a row of this viewset's model

    #: What the answer needs beyond the target's own row: name -> expression.
    target_extras: ClassVar[Mapping[str, Any]] = {}

    def get_target(self) -> M:
        """Return the model for a service that locks it and reads it whole, or raise.

        As `get_object`, but only its id and project are read, by a statement that is
        kept; what else is asked of it costs a query.
        """
        id, extras = self.kwargs["id"], self.target_extras
        rows = self.rows().narrowed(
            "target", lambda rows: with_id(rows).annotate(**extras), {"id": id}
        )
        found = rows.first("id", "project_id", *extras)
        if found is None:
            raise self.not_found(id)
        viewset: Any = self  # DRF's types take a queryset for a manager
        model = viewset.queryset.model
        row = model.from_db(connection.alias, ("id", "project_id"), found[:2])
        self.target = row
        self.permit(row.project_id)
        self.take_extras(*found[2:])
        return row  # type: ignore[no-any-return]  # a row of this viewset's model

    def take_extras(self, *values: Any) -> None:
        """Keep what `target_extras` gave, for the answer."""

    # Reading

    #: What there is to read in some projects, as a pure function of these and of
    #: `reading_options`: so its SQL is compiled once. A viewset that asks more has a
    #: `get_queryset` of its own, which is compiled for each request.
    readable: ClassVar[Callable[..., QuerySet[Any, Any]]]

    #: Whether rows are added and removed only together with an event of their project,
    #: in one transaction: then a count is valid until the project's next event.
    counts_are_kept: ClassVar[bool] = False

    def reading_options(self) -> dict[str, bool]:
        """Return what else `readable` depends on."""
        return {}

    def get_queryset(self) -> QuerySet[M]:
        """Return what this principal may see."""
        return type(self).readable(self.scope, **self.reading_options())

    def rows(self) -> Rows:
        """Return what this principal may see, to be read as JSON."""
        writer, kind = writer_of(self.shows), type(self)
        if kind.get_queryset is not ResourceViewSet.get_queryset or self.is_filtered():
            queryset = self.get_queryset()
            if self.action == "list":
                queryset = self.filter_queryset(queryset)
            return Rows(writer, self.reader, lambda: queryset, None, {})
        scope, options = self.scope, self.reading_options()
        return Rows(
            writer,
            self.reader,
            lambda: kind.readable(scope.with_slots(), **options),
            # Who is in so many projects has statements that nobody shares.
            None
            if len(scope.values()) > MAX_SLOTS
            else (kind, scope.size, *options.values()),
            scope.values(),
            self.access.event_sequences(scope) if self.counts_are_kept else None,
        )

    @cached_property
    def ahead(self) -> Ahead | None:  # type: ignore[override]  # found when it is asked for
        kind = type(self)
        if (
            self.action != "retrieve"
            or kind.retrieve is not ResourceViewSet.retrieve
            or kind.get_queryset is not ResourceViewSet.get_queryset
            # What is wrong with parameters is said once it is known who asks.
            or self.request.query_params
        ):
            return None
        options = self.reading_options()

        def make() -> QuerySet[Any, Any]:
            columns = selection(writer_of(self.shows), self._version)
            return with_id(kind.readable(ONE, **options)).values_list(*columns)

        statement = kept((kind, "ahead", *options.values()), make)
        return Ahead(statement, {"id": self.kwargs["id"]})

    def _read_ahead(self) -> Page | None:
        """Return what was read with who asks, if they may see it."""
        ahead = self.ahead
        row = ahead.row(self.scope.projects) if ahead else None
        if ahead is None or row is None:
            return None
        return Page([row], ahead.statement, writer_of(self.shows), self.reader)

    def is_filtered(self) -> bool:
        filterset = getattr(self, "filterset_class", None)
        if self.action != "list" or filterset is None:
            return False
        return not self.request.query_params.keys().isdisjoint(filterset.base_filters)

    def _first(self, queryset: QuerySet[Any, Any]) -> Any:
        id = self.kwargs["id"]
        row = queryset.filter(pk=id).first()
        if row is None:
            raise self.not_found(id)
        return row

    def not_found(self, id: UUID) -> NotFound:
        return NotFound(f"No {self.noun} {id}.")

    # Out

    def shown(self, row: Any) -> dict[str, Any]:
        """Return the body of a model."""
        return self.shows_of.get(self.action, self.shows).show(row, self.reader)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them, a page at a time."""
        pages: Any = self.paginator
        array = pages.paginate_queryset(self.rows(), request, self)
        return self.get_paginated_response(self.as_data(array))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return one."""
        page = self._read_ahead()
        if page is None:
            id = self.kwargs["id"]
            rows = self.rows().narrowed("id", with_id, {"id": id})
            page = rows.page((), self._version, limit=1)
            if not page.rows:
                raise self.not_found(id)
        if self._version:
            etag = preconditions.tag(*page.columns(0))
            return self.unchanged(etag) or self.written(page.object, {"ETag": etag})
        text = page.object
        etag = preconditions.tag_of(orjson.loads(text))
        return self.unchanged(etag) or self.written(text, {"ETag": etag})

    @property
    def _version(self) -> tuple[str, ...]:
        """The column that is the ETag, of what has one."""
        return ("version",) if "version" in self.shows.columns else ()

    def written(self, text: str, headers: Mapping[str, str]) -> HttpResponse:
        """Answer with JSON as it is; of a page it is data."""
        if isinstance(self.request.accepted_renderer, HTMLRenderer):
            return Response(orjson.loads(text), headers=headers)
        return HttpResponse(
            f"{text}\n", content_type=JSONRenderer.media_type, headers=headers
        )

    def as_data(self, text: str) -> Any:
        """Return JSON as a response takes it: pages look into it."""
        is_page = isinstance(self.request.accepted_renderer, HTMLRenderer)
        return orjson.loads(text) if is_page else orjson.Fragment(text)

    def item(self, resource: Any, *, status: int = 200) -> Response:
        """Answer with one resource and its ETag."""
        body = self.shown(resource)
        etag = preconditions.tag_of(body)
        return self.unchanged(etag) or self.tagged(body, etag, status=status)

    def unchanged(self, etag: str) -> Response | None:
        """Answer a read of what the client has already."""
        is_read = self.request.method in ("GET", "HEAD")
        if is_read and preconditions.is_unchanged(self.request, etag):
            return Response(status=304, headers={"ETag": etag})
        return None

    def tagged(self, data: Any, etag: str, *, status: int = 200) -> Response:
        return Response(data, status=status, headers={"ETag": etag})

    def one_project(self) -> tuple[UUID, int] | None:
        """Return the one project a list is about, if it is one, and its newest event."""
        access, asked = self.access, joined(self.request).get("project")
        operator = access.is_operator_for(self.permission)
        if asked is None:
            # An operator's list is about all projects.
            known = () if operator else tuple(access.grants.items())
            return (
                (known[0][0], known[0][1].event_sequence) if len(known) == 1 else None
            )
        with suppress(ValueError):
            project_id = UUID(asked)
            if not operator:
                grant = access.grants.get(project_id)
                return (project_id, grant.event_sequence) if grant else None
            projects = Project.objects.filter(pk=project_id)
            return projects.values_list("pk", "event_sequence").first()
        return None


def _unknown_project(project_id: UUID | None) -> dict[str, str]:
    code, detail = (
        ("does_not_exist", f"No project {project_id}.")
        if project_id
        else ("required", "Name the project.")
    )
    return {"pointer": "#/project", "code": code, "detail": detail}
