"""The site of the console: every page of it takes the parameters that it knows."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from compute.console import parameters
from compute.console.pages import bad_request

#: Of Django's site, but unused here: nothing has a page elsewhere, and no field asks
#: while somebody types.
UNUSED = frozenset({"autocomplete", "view_on_site"})


View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class Console(AdminSite):
    def get_urls(self) -> list[Any]:
        return [
            pattern
            for pattern in super().get_urls()
            if not (isinstance(pattern, URLPattern) and pattern.name in UNUSED)
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Refuse an address with parameters that the page does not know.

        A list knows its own and checks them itself.
        """

        @wraps(view)
        def closed(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                if view.__name__ != "changelist_view":
                    parameters.check_page(request)
                return view(request, *args, **kwargs)
            except parameters.UnknownParameterError as error:
                return bad_request(request, str(error))

        return super().admin_view(cast(View, closed), cacheable)
