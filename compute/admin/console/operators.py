"""Who acts, what they may do, and how a refusal reads."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.access import Access
from compute.addresses import client_address
from compute.admin.console.display import page_url
from compute.errors import Problem
from compute.events import Actor
from compute.models import Operation
from compute.permissions import PERMISSIONS
from compute.services import audit


def actor_of(request: HttpRequest) -> Actor:
    """Return who is at the browser, as events name people."""
    return Actor(
        Access(request.user).name,
        request_id=getattr(request, "request_id", ""),
        address=client_address(request),
    )


def may(request: HttpRequest, permission: str) -> bool:
    """Whether an operator has a permission, by its name in the one table of them."""
    return request.user.has_perm(PERMISSIONS[permission].django_name)


def require(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless an operator has a permission."""
    if not may(request, permission):
        name = PERMISSIONS[permission].django_name
        raise PermissionDenied(f"{permission} requires the permission {name}.")


def refusal(problem: Problem) -> str:
    """Return a problem as one sentence or two for people."""
    rows = problem.members.get("errors", [])
    reasons = [row["detail"] for row in rows] or [problem.detail]
    return f"{problem.title}: {' '.join(reasons)}"


def refused(
    request: HttpRequest,
    problem: Problem,
    *,
    project_id: UUID | None,
    target: Any = None,
) -> str:
    """Record the event of a refusal; return the message for the operator.

    Call it outside of the transaction that was refused: the event shall stay.
    """
    audit.refused(
        problem,
        actor=actor_of(request),
        method=request.method or "",
        path=request.path,
        project_id=project_id,
        target=target,
        route=match.route if (match := request.resolver_match) else "",
    )
    return refusal(problem)


def add_errors(form: forms.BaseForm, problem: Problem) -> None:
    """Put what a service found wrong beside the fields of a form."""
    detail = problem.detail if problem.field else refusal(problem)
    alone = {"detail": detail, "pointer": f"#/{problem.field}"}
    for row in problem.members.get("errors", [alone]):
        field = row.get("pointer", "").removeprefix("#/").partition("/")[0]
        form.add_error(field if field in form.fields else None, row["detail"])


def requested(text: str, operation: Operation | None) -> SafeString:
    """Return the message of an accepted request, with a link to its operation."""
    if operation is None:
        return format_html("{}.", text)
    url = page_url(operation)
    return format_html('{}: <a href="{}">{}</a>.', text, url, operation.type)
