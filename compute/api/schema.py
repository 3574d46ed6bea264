"""The OpenAPI description, as far as drf-spectacular cannot read it from the code."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.utils import OpenApiParameter

from compute.api.fields import Body
from compute.api.preconditions import TAGS
from compute.api.problems import CONTENT_TYPE, registry
from compute.api.viewset import ResourceViewSet

_ACTION_NAMES = {"partial_update": "update", "destroy": "delete"}


class AutoSchema(SpectacularAutoSchema):
    """Reads what `ResourceViewSet` declares."""

    view: Any

    def get_operation_id(self) -> str:
        if not isinstance(self.view, ResourceViewSet):
            return type(self.view).__name__.lower()
        action = _ACTION_NAMES.get(self.view.action, self.view.action)
        words = [part.replace("-", "_") for part in self._tokenize_path()]
        if "actions" in words or action == "console_log":
            words = words[:1]
        return "_".join([*words, action])
