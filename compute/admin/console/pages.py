"""Pages that say why a request of the console was refused."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def forbidden(request: HttpRequest, detail: str) -> HttpResponse:
    """Return the page for what an account may not do."""
    return _page(request, "You may not do this", detail, status=403)


def bad_request(request: HttpRequest, detail: str) -> HttpResponse:
    """Return the page for an address, or a form, that makes no sense."""
    return _page(request, "The request cannot be understood", detail, status=400)


def _page(
    request: HttpRequest, title: str, detail: str, *, status: int
) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "detail": detail}
    context["is_forbidden"] = status == 403
    return render(request, "admin/compute/refused.html", context, status=status)
