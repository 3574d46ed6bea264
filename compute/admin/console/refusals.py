"""What a refused operator sees, and the event it leaves: one place for all pages."""

import re
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.csrf import csrf_failure as django_csrf_failure

from compute.admin.console.operators import refused
from compute.errors import PermissionDenied
from compute.models import Project


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer every PermissionDenied outside of the API: the project's handler403."""
    _note(request, str(exception) or "This account is not permitted to do that.")
    return _page(request, "You may not do this", str(exception), status=403)


def bad_request(request: HttpRequest, detail: str) -> HttpResponse:
    """Return the page for an address, or a form, that makes no sense."""
    return _page(request, "The request cannot be understood", detail, status=400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that came from elsewhere."""
    # Of others there may be any number, and they change nothing.
    if request.user.is_authenticated:
        _note(request, "The form was not sent from a page of this site.")
    return django_csrf_failure(request, reason=reason)


def _page(
    request: HttpRequest, title: str, detail: str, *, status: int
) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "detail": detail}
    context["is_forbidden"] = status == 403
    return render(request, "admin/compute/refused.html", context, status=status)


def _note(request: HttpRequest, detail: str) -> None:
    project_id, target = _about(request)
    refused(request, PermissionDenied(detail), project_id=project_id, target=target)


def _about(request: HttpRequest) -> tuple[UUID | None, Any]:
    """Return the project and the row that a page of the admin is about."""
    match = request.resolver_match
    named = re.match(r"compute_([a-z]+)_", (match and match.url_name) or "")
    if match is None or named is None:
        return None, None
    key = unquote(str(match.kwargs.get("object_id") or match.kwargs.get("pk") or ""))
    try:
        row = apps.get_model("compute", named[1])._default_manager.get(pk=key)
    except (LookupError, ValidationError, ValueError, ObjectDoesNotExist):
        return None, None
    if isinstance(row, Project):
        return row.pk, None
    return getattr(row, "project_id", None), row
