"""/schema: the OpenAPI description; /docs: the same for people, behind guides."""

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
from rest_framework.renderers import BaseRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api import docs_index
from compute.api.http import guides, preconditions
from compute.api.http.guarded import GuardedView
from compute.api.http.parameters import refuse
from compute.api.http.problems import host_of
from compute.api.http.renderers import JSONRenderer, answer

#: The description by format. Writing it takes up to a second of CPU, and it stays the
#: same for as long as the process runs.
_written: dict[str, bytes] = {}
#: What a search over the documentation finds, beside them.
_INDEX = "index"
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
        response = _kept(request, renderer.format)
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        response.headers["Content-Type"] = f"{renderer.media_type}{charset}"
        response.headers["Content-Disposition"] = (
            f'inline; filename="openapi.{renderer.format}"'
        )
        return response


def _kept(request: Request, name: str) -> HttpResponse:
    """Return what was written once, or a 304 to who has it."""
    if name not in _written:
        write()
    text = _written[name]
    etag = f'"{hashlib.sha256(text).hexdigest()[:20]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if preconditions.is_unchanged(request, etag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(text, headers=headers)


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
        _written[_INDEX] = answer(docs_index.index(schema))


@extend_schema(exclude=True)
class DocsIndex(GuardedView):
    """What the search of the documentation looks through."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (JSONRenderer,)
    http_method_names = ("get", "head")

    def get(self, request: Request) -> HttpResponse:
        response = _kept(request, _INDEX)
        response.headers["Content-Type"] = JSONRenderer.media_type
        return response


@extend_schema(exclude=True)
class GuidePage(GuardedView):
    """One guide, with the address of this service in its commands."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (TemplateHTMLRenderer,)
    http_method_names = ("get", "head")

    def get(self, request: Request, name: str) -> Response:
        at = [guide.name for guide in guides.GUIDES].index(name)
        guide = guides.GUIDES[at]
        about = {
            "guide": guide,
            "before": guides.GUIDES[at - 1] if at else None,
            "after": next(iter(guides.GUIDES[at + 1 :]), None),
            "origin": host_of(request),
            **guides.context(guide.name),
        }
        return Response(about, template_name="compute/guide.html")


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
        if isinstance(response.data, dict):
            response.data |= guides.context("docs")
        response = super().finalize_response(request, response, *args, **kwargs)
        # The script holds the reader's CSRF token, and any site may name a script.
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
