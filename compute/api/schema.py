"""The OpenAPI description, as far as drf-spectacular cannot read it from the code."""

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema

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
