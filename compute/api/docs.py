"""/docs: the API's documentation as Swagger UI."""

from typing import Any

from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response


class Docs(SpectacularSwaggerSplitView):
    """The page, and at ?script= its script: the content policy allows none inside."""

    url_name = "schema"

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        # The script holds the reader's CSRF token, and any site may name a script.
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
