from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from django.urls import URLPattern, get_resolver

from compute.api import urls
from compute.api.http.problems import CONTENT_TYPE, registry
from compute.api.vms import VMViewSet
from compute.models import VMStatus
from compute.models.vm import VERBS
from tests.support.api import Api

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
EXAMPLES: dict[str, Any] = SCHEMA["components"]["examples"]


#: The operations on networks and all that belongs to them.
NETWORK_OPERATIONS = {
    *(
        f"{noun}_{action}"
        for noun in (
            *("networks", "subnets", "routers"),
            *("floating_ips", "security_groups"),
        )
        for action in ("list", "create", "retrieve", "update", "delete")
    ),
    "subnets_configure",
    "routers_attach_subnet",
    "routers_detach_subnet",
    "routers_set_gateway",
    "floating_ips_attach",
    "floating_ips_detach",
    "security_groups_rules_list",
    "security_groups_rules_create",
    "security_groups_rules_set_rules",
    "security_groups_rules_delete",
    "security_group_rules_list",
    "security_group_rules_retrieve",
    "security_group_rules_delete",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SCHEMA


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return operation id -> operation, with its method."""
    return {
        operation["operationId"]: {"method": method, **operation}
        for methods in schema["paths"].values()
        for method, operation in methods.items()
    }


def test_the_committed_file_is_what_the_service_serves(
    api: Api, schema: dict[str, Any]
) -> None:
    served = yaml.safe_load(api.get("/schema").content)
    assert served == schema, "run `make schema` and commit openapi.yaml"


def test_the_docs_come_without_a_network(api: Api) -> None:
    page = api.client.get("/api/v1/docs", headers={"Accept": "text/html"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist" in text
    assert "cdn." not in text


def test_operation_ids_stay(schema: dict[str, Any]) -> None:
    assert schema["openapi"] == "3.1.1"
    verbs = {verb.action for verb in VERBS.values()} - {"delete", "snapshot"}
    actions = {verb.replace("-", "_") for verb in verbs}
    assert set(operations(schema)) == {
        "health",
        "health_ready",
        "vms_list",
        "vms_create",
        "vms_retrieve",
        "vms_update",
        "vms_delete",
        "vms_console",
        "vms_console_log",
        "vms_snapshots_list",
        "vms_snapshots_create",
        *(f"vms_{action}" for action in actions),
        "snapshots_list",
        "snapshots_retrieve",
        "snapshots_update",
        "snapshots_delete",
        "keypairs_list",
        "keypairs_create",
        "keypairs_retrieve",
        "keypairs_delete",
        *NETWORK_OPERATIONS,
        "operations_list",
        "operations_retrieve",
        "operations_cancel",
        "flavors_list",
        "flavors_retrieve",
        "images_list",
        "images_retrieve",
        "projects_list",
        "projects_create",
        "projects_retrieve",
        "projects_update",
        "projects_delete",
        "projects_members_list",
        "projects_members_retrieve",
        "projects_members_set",
        "projects_members_remove",
        "projects_quota_retrieve",
        "projects_quota_update",
        "api_tokens_list",
        "api_tokens_create",
        "api_tokens_retrieve",
        "api_tokens_delete",
        "events_list",
        "events_retrieve",
        "events_stream",
        "events_create_ticket",
        "webhooks_list",
        "webhooks_create",
        "webhooks_retrieve",
        "webhooks_update",
        "webhooks_delete",
        "webhooks_rotate_secret",
        "webhooks_test",
        "webhooks_deliveries_list",
        "webhooks_deliveries_retrieve",
        "webhooks_deliveries_redeliver",
        "auth_tokens_obtain",
        "auth_tokens_refresh",
        "auth_tokens_revoke",
        "auth_me",
    }


def test_every_verb_of_the_lifecycle_has_its_action() -> None:
    extra: list[Any] = VMViewSet.get_extra_actions()
    actions = {action.url_path for action in extra}
    verbs = {verb.action for verb in VERBS.values()} - {"delete", "snapshot"}
    consoles = {"console", "console-log"}
    assert actions == {f"actions/{verb}" for verb in verbs} | consoles


def test_all_statuses_are_published(schema: dict[str, Any]) -> None:
    assert schema["components"]["schemas"]["VMStatus"]["enum"] == VMStatus.values


def test_every_body_has_an_example(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                assert content.get("examples"), name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_valid(schema: dict[str, Any], name: str) -> None:
    kind = "Problem" if name in registry() else name
    jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{kind}", "components": schema["components"]},
        validate_formats=True,
    ).validate(EXAMPLES[name]["value"])


#: Accepted, and followed by other means than an operation of their own.
NO_OPERATION = {
    "operations_cancel",
    "webhooks_test",
    "webhooks_deliveries_redeliver",
}


def test_problems_and_headers_are_documented(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        statuses = set(operation["responses"])
        assert {"400", "405", "406", "500"} <= statuses, name
        for status, response in operation["responses"].items():
            if "$ref" in response:
                kind = response["$ref"].rpartition("/")[2]
                shared = schema["components"]["responses"][kind]
                assert list(shared["content"]) == [CONTENT_TYPE]
                assert int(status) >= 400
            else:
                assert "X-Request-ID" in response["headers"], name
        if "202" in statuses and name not in NO_OPERATION:
            accepted = operation["responses"]["202"]["headers"]
            assert {"Operation-Location", "Retry-After", "ETag"} <= set(accepted), name
        if name.endswith("_create"):
            assert "Location" in operation["responses"]["201"]["headers"]
        if operation["method"] != "get":
            assert {"409", "413", "415"} <= statuses, name


def test_unknown_fields_are_forbidden_in_every_body(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]
            assert list(content) == ["application/json"], name
            kind = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            body = schema["components"]["schemas"][kind]
            assert body["additionalProperties"] is False, name


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_what_no_credential_is_the_schema_refuses_too(
    api: Api, schema: dict[str, Any], value: str
) -> None:
    for path, name in (("/auth/tokens", "LogIn"), ("/auth/tokens/refresh", "Refresh")):
        known = schema["components"]["schemas"][name]
        for field in known["properties"]:
            body = {**EXAMPLES[name]["value"], field: value}
            assert not jsonschema_rs.is_valid(known, body), field
            assert api.post(path, body).status_code == 400, field


def test_links_lead_to_operations_that_exist(schema: dict[str, Any]) -> None:
    known = operations(schema)
    targets = [
        link["operationId"]
        for operation in known.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert "vms_stop" in targets
    assert set(targets) <= set(known)


def test_no_route_ends_in_a_slash() -> None:
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        assert not str(pattern.pattern).endswith("/")
    assert get_resolver().reverse("vm-list") == "api/v1/vms"
