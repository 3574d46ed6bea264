"""/schema: the OpenAPI description; /docs: the same for people, as Swagger UI."""

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http import preconditions
from compute.api.http.guarded import GuardedView
from compute.api.http.parameters import refuse

#: The description by format. Writing it takes up to a second of CPU, and it stays the
#: same for as long as the process runs.
_written: dict[str, bytes] = {}
_writing = threading.Lock()


class FormatParameter(DefaultContentNegotiation):
    """`?format=json` or `yaml`, for tools that only take a URL."""

    def select_renderer(  # type: ignore[override]  # the stubs have a mutable list
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        format = request.query_params.get("format")
        if format is not None:
            known = {renderer.format: renderer for renderer in renderers}
            if format not in known:
                raise refuse("format", "invalid_choice", "format is yaml or json.")
            return known[format], known[format].media_type
        usual: tuple[BaseRenderer, str]
        usual = super().select_renderer(request, renderers, format_suffix)
        return usual


@extend_schema(exclude=True)
class Schema(GuardedView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = SpectacularAPIView.renderer_classes
    http_method_names = ("get", "head")
    content_negotiation_class = FormatParameter

    def known_parameters(self) -> frozenset[str]:
        return frozenset({"format"})

    def get(self, request: Request) -> HttpResponse:
        renderer: BaseRenderer = request.accepted_renderer
        text = _description(renderer)
        etag = f'"{hashlib.sha256(text).hexdigest()[:20]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if preconditions.is_unchanged(request, etag):
            return HttpResponse(status=304, headers=headers)
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        return HttpResponse(
            text,
            content_type=f"{renderer.media_type}{charset}",
            headers={
                **headers,
                "Content-Disposition": f'inline; filename="openapi.{renderer.format}"',
            },
        )


def _description(renderer: BaseRenderer) -> bytes:
    if renderer.format not in _written:
        write()
    return _written[renderer.format]


def write() -> None:
    """Write the description in all formats; a server does so at its start."""
    with _writing:
        if _written:
            return
        schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # drf-spectacular is typed in part
        for kind in Schema.renderer_classes:
            renderer: Any = kind()
            text: bytes = renderer.render(schema, None, {})
            _written[renderer.format] = text.rstrip(b"\n") + b"\n"


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
