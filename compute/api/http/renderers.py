"""How answers leave: JSON by orjson, and HTML for people."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson
from django.db import DatabaseError
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.authentication import SessionAuthentication
from rest_framework.renderers import (
    BaseRenderer,
    BrowsableAPIRenderer,
    HTMLFormRenderer,
)
from rest_framework.request import override_method
from rest_framework.serializers import BaseSerializer

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS

#: How the page is called of an address that holds nothing.
NOWHERE = "Not found"


def dumps(data: Any, *, indent: bool = False) -> bytes:
    """Return JSON in UTF-8, times as RFC 3339 with a Z."""
    return orjson.dumps(
        data, default=str, option=_OPTIONS | (orjson.OPT_INDENT_2 if indent else 0)
    )


def answer(data: Any, *, indent: bool = False) -> bytes:
    """Return the body of an answer: it ends a line, for the prompt of a terminal."""
    return dumps(data, indent=indent) + b"\n"


def with_code(text: str) -> SafeString:
    """Return text as HTML, with the words between backticks as code."""
    html = re.sub("`([^`]+)`", r"<code>\1</code>", conditional_escape(text))
    return mark_safe(html)  # noqa: S308  # escaped but for the tags


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    # RFC 8259: JSON is UTF-8 and has no charset parameter.
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        # Indented only to be edited, in the browsable API.
        indent = bool((renderer_context or {}).get("indent"))
        return b"" if data is None else answer(data, indent=indent)


class HTMLRenderer(BrowsableAPIRenderer):
    """The browsable API: links to the rows of a list, actions as forms."""

    #: The links at the top of every page, and their routes; the URL conf sets it.
    navigation: ClassVar[Sequence[tuple[str, str]]] = ()

    def get_default_renderer(self, view: Any) -> BaseRenderer:
        return JSONRenderer()

    def get_content(
        self,
        renderer: Any,
        data: Any,
        accepted_media_type: str | None,
        renderer_context: Mapping[str, Any],
    ) -> str:
        return dumps(data, indent=True).decode() if data is not None else ""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (renderer_context or {})["request"]
        try:
            page = super().render(data, accepted_media_type, renderer_context)
        except DatabaseError:
            # The page around the answer of a write needs more than the answer; without
            # it the answer still says what was committed.
            if request.method in ("GET", "HEAD"):
                raise
            return render_to_string(
                "compute/bare.html", {"text": dumps(data, indent=True).decode()}
            )
        # DRF's forms go to the address of the page, the query included, which no write
        # takes.
        return page.replace(
            f'action="{escape(request.get_full_path())}"',
            f'action="{escape(request.path)}"',
        )

    def get_description(self, view: Any, status_code: int) -> str:
        return with_code(super().get_description(view, status_code))

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """Show a form for changes with what there is, or with what was refused."""
        form = super().get_raw_data_form(data, view, method, request)
        if form is None or method not in ("PUT", "PATCH"):
            return form
        refused = view.response.status_code >= 400 and method == request.method
        with override_method(view, request, method):
            body = _changeable(view.get_serializer(), request.data if refused else data)
        form.fields["_content"].initial = dumps(body, indent=True).decode()
        return form

    def get_extra_actions(self, view: Any, status_code: int) -> None:
        """Show none: they take POST, and these would be links."""

    def get_filter_form(self, data: Any, view: Any, request: Any) -> None:
        """Show none: it would send every empty field, which the API refuses."""

    def get_breadcrumbs(self, request: Any) -> list[tuple[str, str]]:
        """Return the way here, without the addresses that hold nothing."""
        crumbs = super().get_breadcrumbs(request)
        return [crumb for crumb in crumbs if crumb[0] != NOWHERE]

    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(
            data, accepted_media_type, renderer_context
        )
        context["navigation"] = self.navigation
        # Where Pygments is installed DRF writes its colours into the page, and the
        # content policy allows no style element. Nothing of ours is coloured.
        context["code_style"] = ""
        # A session can be ended; in development who has none is somebody all the same.
        known_by = getattr(
            renderer_context["request"], "successful_authenticator", None
        )
        context["has_session"] = isinstance(known_by, SessionAuthentication)
        view, response = renderer_context["view"], renderer_context["response"]
        if response.status_code < 300 and hasattr(view, "page_extras"):
            context |= view.page_extras(data)
        return context

    def get_rendered_html_form(
        self, data: Any, view: Any, method: str, request: Any
    ) -> Any:
        """Show a form that was refused with what was typed, and what is wrong."""
        refused = view.response.status_code == 400
        is_form = hasattr(view, "get_serializer") and "form" in request.content_type
        if method == "POST" == request.method and refused and is_form:
            return self.render_form_for_serializer(
                view.get_serializer(data=request.data)
            )
        return super().get_rendered_html_form(data, view, method, request)


def _changeable(serializer: Any, data: Any) -> dict[str, Any]:
    """Return of a resource what a body that changes it can hold."""
    return {
        name: _changeable(field, data[name])
        if isinstance(field, BaseSerializer)
        else data[name]
        for name, field in serializer.fields.items()
        if isinstance(data, Mapping) and name in data
    }


def render_inline(serializer: BaseSerializer[Any]) -> str:
    """Return the fields of a body, to stand beside their button."""
    html: str = HTMLFormRenderer().render(
        serializer.data,
        "text/html",
        {"style": {"template_pack": "rest_framework/inline"}},
    )
    return html
