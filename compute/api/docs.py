"""/schema: the OpenAPI description; /docs: the same for people, as Swagger UI."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.guarded import GuardedView
from compute.api.parameters import refuse


class FormatParameter(DefaultContentNegotiation):
    """`?format=json` or `yaml`, for tools that only take a URL."""

    def select_renderer(  # type: ignore[override]  # the stubs have a mutable list
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        wanted = request.query_params.get("format")
        if wanted is not None:
            known = {renderer.format: renderer for renderer in renderers}
            if wanted not in known:
                raise refuse("format", "invalid_choice", "format is yaml or json.")
            return known[wanted], known[wanted].media_type
        usual: tuple[BaseRenderer, str]
        usual = super().select_renderer(request, renderers, format_suffix)
        return usual


class Schema(GuardedView, SpectacularAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ("get", "head")
    content_negotiation_class = FormatParameter

    def known_parameters(self) -> frozenset[str]:
        return frozenset({"format"})


class Docs(GuardedView, SpectacularSwaggerSplitView):
    """The page, and at ?script= its script: the content policy allows none inside."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ("get", "head")
    url_name = "schema"

    def known_parameters(self) -> frozenset[str]:
        return frozenset({"script"})

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        # The script holds the reader's CSRF token, and any site may name a script.
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
