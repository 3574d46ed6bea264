"""What the viewsets of all nouns share: strict queries in, headers out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from compute.api import preconditions, prefer
from compute.api.fields import Body
from compute.api.pagination import PARAMETERS as PAGE_PARAMETERS
from compute.api.parameters import refuse_unknown
from compute.api.parsers import BROWSER_PARSERS
from compute.api.problems import (
    OperationCancelled,
    PermissionDenied,
    document,
    is_browser,
    request_id_of,
    respond,
)
from compute.errors import NotFound
from compute.events import Actor
from compute.models import Operation, OperationStatus

M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=prefer.HasOperation)

#: Seconds until it is worth asking for an operation again.
POLL_AFTER = "2"


class ResourceViewSet(GenericViewSet[M], Generic[M]):
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
    #: Action -> the body it takes.
    bodies: ClassVar[Mapping[str, type[Body]]] = {}
    #: Fields a list can be ordered by, and how it is when nobody asks.
    orderings: ClassVar[Sequence[str]] = ()
    default_ordering: ClassVar[str] = "-created_at"
    #: Columns to read rows as dictionaries, which costs half of what models do; empty
    #: where lists are short. The serializer then takes either.
    columns: ClassVar[Sequence[str]] = ()
    #: Action -> the query parameters it takes, beside those of a list.
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {}

    # In

    def get_parsers(self) -> list[BaseParser]:
        """Return the parsers; forms only for a browser, that has nothing better."""
        parsers = super().get_parsers()
        # There is no request while the schema is made.
        request: Any = self.request
        if request is not None and is_browser(request):
            return parsers
        return [p for p in parsers if not isinstance(p, BROWSER_PARSERS)]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            refuse_foreign_pages(request)
        # Without an action the method is not allowed here, which is said first.
        if self.action is not None:
            refuse_unknown(request, known=self.known_parameters())

    def known_parameters(self) -> frozenset[str]:
        known = self.query_parameters.get(self.action, frozenset())
        if self.action != "list":
            return known
        filterset = getattr(self, "filterset_class", None)
        names = filterset.base_filters.keys() if filterset else ()
        return known | PAGE_PARAMETERS | frozenset(names)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return the body a write takes, or else the resource."""
        return self.bodies.get(self.action) or self.resource_class()

    def body(self) -> dict[str, Any]:
        """Return the valid body of this request, or raise."""
        serializer = self.get_serializer(
            data=self.request.data, partial=self.action == "partial_update"
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    @property
    def actor(self) -> Actor:
        user = self.request.user
        name = f"user:{user.get_username()}" if user.is_authenticated else "anonymous"
        return Actor(name, request_id=request_id_of(self.request))

    @property
    def expect(self) -> frozenset[int] | None:
        return preconditions.expected_versions(self.request)

    def get_object(self) -> M:
        """Return the model, to act on."""
        found: M = self._first(self.get_queryset())
        return found

    def rows(self, queryset: QuerySet[M]) -> QuerySet[Any, Any]:
        """Return the same to read only, for the serializer."""
        return queryset.values(*self.columns) if self.columns else queryset

    def _first(self, queryset: QuerySet[Any, Any]) -> Any:
        id = self.kwargs["id"]
        found = queryset.filter(pk=id).first()
        if found is None:
            raise NotFound(f"No {self.noun} {id}.")
        return found

    # Out

    def get_view_name(self) -> str:
        """Return how the browsable API calls this page."""
        name = getattr(self, "name", None) or f"{self.noun[0].upper()}{self.noun[1:]}"
        return f"{name}s" if self.suffix == "List" else str(name)

    def resource_class(self) -> type[BaseSerializer[Any]]:
        """Return the serializer of the resource itself, whatever the action."""
        assert self.serializer_class is not None  # noqa: S101  # told to the type checker
        return self.serializer_class

    def shown(self, resource: Any) -> Any:
        serializer = self.resource_class()(context=self.get_serializer_context())
        return serializer.to_representation(resource)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them, a page at a time."""
        queryset: QuerySet[M] = self.filter_queryset(self.get_queryset())
        page = self.paginate_queryset(self.rows(queryset))
        serializer = self.resource_class()(context=self.get_serializer_context())
        rows = [serializer.to_representation(row) for row in page or ()]
        return self.get_paginated_response(rows)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one."""
        return self.item(self._first(self.rows(self.get_queryset())))

    def item(self, resource: Any, *, status: int = 200) -> Response:
        """Answer with one resource and its ETag."""
        body = self.shown(resource)
        etag = (
            preconditions.version_tag(body["version"])
            if "version" in body
            else preconditions.digest_tag(body)
        )
        if self.request.method in ("GET", "HEAD") and preconditions.is_unchanged(
            self.request, etag
        ):
            return Response(status=304, headers={"ETag": etag})
        return Response(body, status=status, headers={"ETag": etag})

    def submit(self, call: Callable[[], R], *, created: bool = False) -> Response:
        """Call a service that starts an operation, and answer as the client prefers.

        202 while the operation lives, 200 or 201 once it succeeded, and the problem
        it ended with when it failed.
        """
        outcome = prefer.submit(self.request, call)
        resource: Any = outcome.resource
        response = None
        if outcome.waited:
            resource = (
                type(resource).objects.select_related("operation").get(pk=resource.pk)
            )
        if outcome.ended:
            response = self.failure(outcome.operation_id)
        if response is None:
            done = 201 if created else 200
            response = self.item(resource, status=done if outcome.ended else 202)
        return self.with_operation(
            response, outcome, location=resource.pk if created else None
        )

    def with_operation(
        self, response: Response, outcome: prefer.Outcome[Any], *, location: Any
    ) -> Response:
        headers = response.headers
        headers["Operation-Location"] = self.url("operation", outcome.operation_id)
        if location is not None:
            headers["Location"] = self.url(self.noun.lower(), location)
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
        return respond(operation_error(operation, self.request), self.request)

    def url(self, noun: str, id: Any) -> str:
        return reverse(f"{noun}-detail", kwargs={"id": id}, request=self.request)

    def page_extras(self, data: Any) -> dict[str, Any]:
        """Return what the browsable API shows above the JSON, by template variable."""
        rows = data.get("results", ())
        return {
            "rows": [
                {
                    "id": row["id"],
                    "label": row.get("name") or row["type"],
                    "status": row.get("status"),
                    "url": self.url(self.noun.lower(), row["id"]),
                }
                for row in rows
            ],
            "related": [] if rows else self.related(data),
        }

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        """Return links, with their labels, from one resource to others."""
        return []

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Vary"] = "Accept, Authorization, Cookie"
        return final


def refuse_foreign_pages(request: Request) -> None:
    """Raise when a web page of somebody else makes a user's browser send this.

    The service may be bound to loopback and open, so that being reachable from the
    browser is all an attacker needs.
    """
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise PermissionDenied("A page of another site may not do this.")
    if is_browser(request) and "form" in request.content_type:
        SessionAuthentication().enforce_csrf(request)


def operation_error(operation: Operation, request: Request) -> dict[str, Any]:
    """Return the problem an operation ended with.

    The same document for who waited and for who polls.
    """
    stored = (
        operation.error
        or OperationCancelled(f"{operation.type} was cancelled.").document()
    )
    return document(
        {**stored, operation.target_type: str(operation.target_id)},
        request,
        instance=reverse("operation-detail", kwargs={"id": operation.pk}),
        request_id=operation.request_id,
    )
