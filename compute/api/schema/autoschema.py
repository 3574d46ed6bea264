"""The OpenAPI description, as far as drf-spectacular cannot read it from the code."""

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.renderers import SafeDumper  # type: ignore[attr-defined]  # PyYAML's, the faster one if it is there
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from compute.api.http import idempotency
from compute.api.http.fields import Lines, NoBody, RequestBody
from compute.api.http.viewset import ACTION_NAMES, ResourceViewSet
from compute.api.schema import answers
from compute.api.schema import bodies as bodies  # an extension: to be there is all

#: Writes that change rows and nothing else, so there is no operation to wait for.
_SYNCHRONOUS = ("partial_update",)

# The dumper knows YAML 1.1, where 000000000184 and 1e5 are strings, and leaves them bare.
# YAML 1.2 has numbers there: so that all parsers agree, what either reads as one is quoted.
SafeDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
        |0o[0-7]+$|0x[0-9a-fA-F]+$""",
        re.VERBOSE,
    ),
    list("-+.0123456789"),
)

_TAG = r'(W/)?"[!#-~]*"'
_TAGS = rf"^(\*|{_TAG}(, {_TAG})*)$"


def _header(
    name: str, description: str, *, example: str = "", **schema: Any
) -> OpenApiParameter:
    """Describe a header; its example is what the documentation page sends."""
    return OpenApiParameter(
        name,
        {"type": "string", **schema},
        OpenApiParameter.HEADER,
        description=description,
        examples=[OpenApiExample(example, value=example)] if example else [],
    )


# No pattern: RFC 7240 has what is not understood ignored.
PREFER = _header(
    "Prefer",
    "RFC 7240. `wait=N` answers when the operation has ended, or after N seconds (30 "
    "at most); if the VM is busy it queues first. `respond-async` answers at once. "
    "`Preference-Applied` says what was honoured.",
    example="wait=20",
)
PREFER_OF_LISTS = _header(
    "Prefer",
    "RFC 7240. `wait=N` waits up to N seconds (30 at most) for the next row, if there is "
    "none yet. `Preference-Applied` says that it was honoured.",
    example="wait=20",
)
IDEMPOTENCY_KEY = _header(
    idempotency.HEADER,
    (
        "A name of your choice for this request, such as a new UUID. Repeated "
        "within 24 hours, the request starts nothing new and answers with the "
        "result of the first one: the problem it ended with, or else the "
        "resource as it is now (404 if it has been deleted). With a different "
        "body it is 422."
    ),
    pattern=idempotency.PATTERN,
)
IF_MATCH = _header(
    "If-Match",
    (
        'ETags of the versions you know, such as `"4"`; 412 if the resource no '
        "longer has one of them."
    ),
    pattern=_TAGS,
)
IF_NONE_MATCH = _header(
    "If-None-Match",
    'ETags of what you have, such as `"4"`; 304 if it has not changed.',
    pattern=_TAGS,
)

IF_NONE_MATCH_OF_WRITES = _header(
    "If-None-Match",
    ("`*`: 412 if the resource exists; ETags: 412 if it still has one of them."),
    pattern=_TAGS,
)


class AutoSchema(SpectacularAutoSchema):
    """Reads what `ResourceViewSet` declares."""

    view: Any

    def get_operation(self, *args: Any) -> Any:
        operation = super().get_operation(*args)
        if operation is not None:
            answers.complete(
                operation, self.view, path=self.path, method=self.method.upper()
            )
        return operation

    def get_operation_id(self) -> str:
        words = [part.replace("-", "_") for part in self._tokenize_path()]
        if not isinstance(self.view, ResourceViewSet):
            return "_".join(words)
        action = self.view.action
        if action in {extra.__name__ for extra in self.view.get_extra_actions()}:
            words = words[:1]
        if "actions" in words:
            words = words[: words.index("actions")]
        return "_".join([*words, ACTION_NAMES.get(action, action)])

    def get_summary(self) -> str:
        if isinstance(self.view, ResourceViewSet):
            noun = self.view.noun
            if self.view.action == "list":
                return f"List {noun}s"
            if self.view.action == "retrieve":
                return f"Return one {noun}"
        # The first sentence; a summary is plain text where a description is Markdown.
        sentence = self.get_description().partition("\n")[0].partition(". ")[0]
        return sentence.rstrip(".").replace("`", "")

    def get_auth(self) -> list[dict[str, Any]]:
        # Sessions are for browsers, which know how to send theirs.
        return [{"bearer": []}] if self.view.authentication_classes else []

    def get_override_parameters(self) -> list[Any]:
        view = self.view
        if not isinstance(view, ResourceViewSet):
            return []
        parameters: list[Any] = [*view.query_parameters.get(view.action, ())]
        if self.method == "GET":
            if view.action == "retrieve":
                parameters.append(IF_NONE_MATCH)
            if view.action in view.long_polls:
                parameters.append(PREFER_OF_LISTS if view.action == "list" else PREFER)
            return parameters
        if view.starts_operations and view.action not in _SYNCHRONOUS:
            parameters.append(PREFER)
        if self.method == "POST":
            parameters.append(IDEMPOTENCY_KEY)
        if "{id}" in self.path:
            parameters += [IF_MATCH, IF_NONE_MATCH_OF_WRITES]
        return parameters

    def get_request_serializer(self) -> Any:
        body = self.view.bodies.get(self.view.action)
        return None if body is NoBody else body

    def get_response_serializers(self) -> Any:
        view = self.view
        shown = view.shows_of.get(view.action, view.shows)
        if self.method == "GET" or view.action in _SYNCHRONOUS:
            return {200: shown}
        if view.action in view.statuses:
            return {view.statuses[view.action]: shown}
        if not view.starts_operations:
            return {201: shown} if view.action == "create" else {204: None}
        return {201 if view.action == "create" else 200: shown, 202: shown}

    def _insert_field_validators(self, field: Any, schema: Any) -> None:
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]  # drf-spectacular is typed in part
        if isinstance(field, Lines):
            # Their pattern allows an empty text by itself: of two alternatives both
            # would match, and oneOf forbids that.
            schema.update(schema.pop("oneOf")[0])

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # drf-spectacular is typed in part
        if isinstance(serializer, RequestBody):
            schema["additionalProperties"] = False
            if serializer.example is not None:
                schema["example"] = serializer.example
        return schema
