"""Every operation works with what the documentation page fills in, and as its samples say."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.support.deployed import ROOT
from tests.support.runserver import RUNSERVER, migrate, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.once]

SCHEMA: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}
#: What has no end: its beginning is looked at.
ENDLESS = "events_stream"
#: What needs a receiver, whose address no example can know.
RECEIVED = {name for name in OPERATIONS if name.startswith("webhooks_")}
READS = [
    name
    for name, (method, *_) in OPERATIONS.items()
    if method == "get" and name != ENDLESS and name not in RECEIVED
]

#: Writes in an order in which each finds what it needs.
MADE = (
    *("vms_create", "projects_create", "api_tokens_create", "keypairs_create"),
    *("networks_create", "subnets_create", "routers_create"),
    *("security_groups_create", "floating_ips_create"),
)
CHANGED = (
    *("networks_update", "subnets_update", "subnets_configure", "routers_update"),
    *("routers_set_gateway", "routers_attach_subnet", "routers_detach_subnet"),
    *("security_groups_update", "security_groups_rules_set_rules"),
    *("vms_attach_network", "floating_ips_update", "floating_ips_attach"),
    *("floating_ips_detach", "vms_set_security_groups", "vms_detach_network"),
    *("security_groups_rules_create", "events_create_ticket"),
    *("vms_update", "vms_stop", "vms_start", "vms_reboot", "vms_resize"),
    *("vms_snapshots_create", "snapshots_update", "vms_restore", "vms_rebuild"),
    *("vms_pause", "vms_unpause", "vms_suspend", "vms_resume"),
    *("vms_shelve", "vms_unshelve", "vms_rescue", "vms_unrescue"),
    *("projects_update", "projects_members_set", "projects_quota_update"),
)
REMOVED = (
    *("snapshots_delete", "vms_delete", "api_tokens_delete", "keypairs_delete"),
    *("security_group_rules_delete", "security_groups_rules_delete"),
    *("floating_ips_delete", "security_groups_delete", "routers_delete"),
    *("subnets_delete", "networks_delete"),
    *("projects_members_remove", "projects_delete"),
)
#: The page and its samples ask for more in a minute than people do.
UNLIMITED = ("/usr/bin/env", "RATE_LIMIT=1000/60 second", *RUNSERVER)
#: Whose samples are run: all can be read by their languages (test_guides).
SAMPLED = (
    *("vms_create", "vms_retrieve", "vms_update", "vms_reboot", "vms_snapshots_list"),
    *("operations_list", "keypairs_list", "security_groups_update"),
    *("floating_ips_update", "projects_retrieve", "events_create_ticket"),
    "health",
)
#: What makes something -> where its id goes.
KEPT = {
    "vms_snapshots_create": "snapshots",
    "security_groups_rules_create": "security-group-rules",
}
#: What no example can know: a password, a refresh token, an operation that can be
#: cancelled.
UNKNOWN = {
    *RECEIVED,
    *("auth_tokens_obtain", "auth_tokens_refresh", "auth_tokens_revoke"),
    "operations_cancel",
}


def prefilled(parameter: Mapping[str, Any]) -> Any:
    """Return what Swagger UI puts into the field of a parameter (`setDefaultValue`)."""
    schema = parameter["schema"]
    examples = [example["value"] for example in parameter.get("examples", {}).values()]
    candidates = (
        *examples[:1],
        *(holder.get("example") for holder in (parameter, schema)),
        schema.get("default"),
    )
    return next((value for value in candidates if value is not None), None)


def example_of(operation: Mapping[str, Any]) -> Any:
    """Return what Swagger UI puts into the field of the body."""
    if "requestBody" not in operation:
        return None
    (content,) = operation["requestBody"]["content"].values()
    reference = next(iter(content["examples"].values()))["$ref"]
    return SCHEMA["components"]["examples"][reference.rpartition("/")[2]]["value"]


class Page:
    """Presses Execute, with nothing changed but the ids in the path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ids: dict[str, Any] = {"user_id": 1, "username": "admin"}
        #: Of what runs the samples, and where everything above is made.
        self.token, self.project = "", ""

    def execute(self, name: str, **query: Any) -> requests.Response:
        method, path, operation = OPERATIONS[name]
        sent: dict[str, dict[str, Any]] = {"query": query, "header": {}, "path": {}}
        for parameter in operation.get("parameters", ()):
            value = prefilled(parameter)
            if parameter["in"] == "path":
                value = self.id_for(path, parameter["name"])
            if value is not None:
                sent[parameter["in"]][parameter["name"]] = value
        return requests.request(
            method,
            self.url + path.format(**sent["path"]),
            params=sent["query"],
            headers=sent["header"],
            json=example_of(operation),
            timeout=60,
            stream=name == ENDLESS,
        )

    def read(self, name: str) -> None:
        response = self.execute(name)
        assert response.status_code == 200, f"{name}: {response.text}"
        if name.endswith("_list"):
            assert response.json()["results"], name

    def run(self, name: str) -> None:
        """Run both samples of an operation as they stand."""
        _, path, operation = OPERATIONS[name]
        curl, python = (sample["source"] for sample in operation["x-codeSamples"])
        noun = path.split("/")[3] if path.count("/") > 2 else ""
        named = {
            "SERVER": self.url,
            "TOKEN": self.token,
            "MEMBER": "admin",
            f"{noun.removesuffix('s').replace('-', '_').upper()}_ID": self.ids.get(
                noun
            ),
            "PROJECT_ID": self.project,
        }
        given = {key: str(value) for key, value in named.items()}
        for command in (
            ["bash", "-c", f"set -u; {curl} -fsS"],
            ["python", "-c", python],
        ):
            done = subprocess.run(  # noqa: S603  # our own samples
                command,
                env={**os.environ, **given},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{name}: {said}"
            if command[0] == "python":
                status, _, text = done.stdout.partition(" ")
                assert status.startswith("2"), f"{name}: {said}"
                assert not text.strip() or json.loads(text) is not None

    def id_for(self, path: str, parameter: str) -> Any:
        return self.ids[path.split("/")[3] if parameter == "id" else parameter]

    def succeed(self, name: str) -> Any:
        response = self.execute(name)
        assert response.ok, f"{name}: {response.text}"
        return response.json() if response.content else None

    def unplug(self) -> None:
        """Detach the subnet of the network's own router, as a refusal says to."""
        found = requests.get(f"{self.url}/api/v1/routers", timeout=60).json()["results"]
        (router,) = [router for router in found if router["subnets"]]
        answer = requests.post(
            f"{self.url}/api/v1/routers/{router['id']}/actions/detach-subnet",
            json={"subnet": "web"},
            headers={"Prefer": "wait=20"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page over a service in which everything was made by its own examples."""
    data: Path = tmp_path_factory.mktemp("docs")
    migrate(data)
    with serving(data, command=UNLIMITED) as served:
        served.listens()
        page = Page(served.url)
        for name in MADE:
            path = OPERATIONS[name][1]
            made = page.succeed(name)
            page.ids[path.rpartition("/")[2]] = made["id"]
        key = {"name": "samples", "role": "admin"}
        asked = requests.post(f"{page.url}/api/v1/api-tokens", json=key, timeout=60)
        page.token, page.project = asked.json()["token"], asked.json()["project"]
        yield page


def test_every_write_succeeds_and_then_every_read_and_removal(page: Page) -> None:
    for name in CHANGED:
        answer = page.succeed(name)
        if name in KEPT:
            page.ids[KEPT[name]] = answer["id"]
        if name == "security_groups_rules_set_rules":
            page.ids["rule"] = answer["rules"][0]["id"]
    for noun in ("flavors", "images", "operations", "events"):
        page.ids[noun] = page.succeed(f"{noun}_list")["results"][0]["id"]
    for name in READS:
        page.read(name)
    for name in SAMPLED:
        page.run(name)
    # Which project's, no example can know.
    with page.execute(ENDLESS, project=page.ids["projects"]) as stream:
        assert stream.status_code == 200, stream.text
        assert next(stream.iter_lines()) == b"retry: 3000"
    page.unplug()
    for name in REMOVED:
        page.succeed(name)


def test_no_operation_is_left_out() -> None:
    tried = {ENDLESS, *READS, *MADE, *CHANGED, *REMOVED}
    assert tried | UNKNOWN == set(OPERATIONS)


@pytest.mark.parametrize("name", ["Idempotency-Key", "If-Match", "If-None-Match"])
def test_a_header_that_is_right_once_is_not_filled_in(name: str) -> None:
    found = [
        parameter
        for _, _, operation in OPERATIONS.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == name
    ]
    assert found
    assert {prefilled(parameter) for parameter in found} == {None}


def test_summaries_are_plain_text() -> None:
    # Descriptions are Markdown, summaries are not.
    for name, (_, _, operation) in OPERATIONS.items():
        assert operation["summary"], name
        assert "`" not in operation["summary"], name
        assert ". " not in operation["summary"], name
