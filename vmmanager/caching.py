"""Who may keep an answer: nobody a page, and only its reader, asking again, the rest."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

#: Pages show what a login may see; the browser's copy would outlast the login.
PAGE = "no-store"
#: JSON has ETags: a client may keep it, and must ask whether it still holds.
DATA = "private, no-cache"


class CachingMiddleware:
    """Set Cache-Control where a view did not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault("Cache-Control", PAGE if is_page else DATA)
        return response
