"""How Django REST framework is set up."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "DEFAULT_RENDERER_CLASSES": [
        "compute.api.http.renderers.JSONRenderer",
        "compute.api.http.renderers.HTMLRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "compute.api.http.parsers.JSONParser",
        # For the forms of the browsable API alone: see ResourceViewSet.get_parsers.
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "compute.api.http.authentication.BearerAuthentication",
        "compute.api.http.authentication.BrowserAuthentication",
        # Lets nobody in unless DEBUG is on.
        "compute.api.http.authentication.DevelopmentAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_FILTER_BACKENDS": ["compute.api.http.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "compute.api.http.pagination.Pagination",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": (
        "compute.api.http.negotiation.ContentNegotiation"
    ),
    "DEFAULT_SCHEMA_CLASS": "compute.api.schema.autoschema.AutoSchema",
    "EXCEPTION_HANDLER": "compute.api.http.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_METADATA_CLASS": None,  # no OPTIONS: what there is stands in the schema
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
