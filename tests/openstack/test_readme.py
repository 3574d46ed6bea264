"""What the README says of a real OpenStack works as it stands."""

import json
import uuid
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from providers.contract.servers import ServerSpec
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE
from tests.openstack.conftest import CLOUD, wait_until
from tests.support import readme

pytestmark = pytest.mark.e2e


def test_make_run_serves_it_and_what_it_has_is_adopted(
    tmp_path: Path, cloud: OpenStackCloud, emptied: None
) -> None:
    flavor = next(f for f in cloud.flavors.list_all() if f.name == "m1.tiny")
    image = next(i for i in cloud.images.list_all() if i.name == "cirros")
    name = f"old-{uuid.uuid4().hex[:8]}"
    spec = ServerSpec(name, flavor_id=flavor.id, image_id=image.id, tag="blue")
    server_id = cloud.servers.create(spec, request_id=ALICE.request_id).created_id
    assert server_id is not None
    wait_until(lambda: cloud.servers.get(server_id).status == "ACTIVE")
    clouds, script = (
        text.replace("openstack://mycloud", f"openstack://{CLOUD}")
        for text in ("default=openstack://mycloud", readme.RUN_OPENSTACK)
    )
    with readme.served(tmp_path, command=script, clouds=clouds) as (port, environment):
        said = readme.bash(readme.IMPORT, environment)
        assert f"would adopt {name} {server_id}" in said
        assert f"\nadopted {name} {server_id}" in said
        with urlopen(f"http://127.0.0.1:{port}/api/v1/vms") as answer:
            (vm,) = json.load(answer)["results"]
    assert (vm["name"], vm["status"], vm["flavor"]) == (name, "ACTIVE", "m1.tiny")


def test_the_calls_to_a_vm_that_can_be_reached(
    tmp_path: Path, cloud: OpenStackCloud, emptied: None
) -> None:
    clouds = f"default=openstack://{CLOUD}?network=private"
    with readme.served(tmp_path, clouds=clouds) as (port, environment):
        wait_until(lambda: _knows_networks(port))
        script = f"H=127.0.0.1:{port}/api/v1\nJ='Content-Type: application/json'\n"
        said = readme.bash(script + readme.NETWORK, environment)
        network, group, vm, floating_ip = _bodies(said)
    assert vm["status"] == "ACTIVE"
    assert vm["security_groups"] == [group["id"]]
    assert [place["network"] for place in vm["networks"]] == [network["id"]]
    assert (floating_ip["vm"], floating_ip["status"]) == (vm["id"], "ACTIVE")
    seen = {port.id: port for port in cloud.ports.list_all()}
    (there,) = [f for f in cloud.floating_ips.list_all() if f.port_id in seen]
    assert there.address == floating_ip["address"]


def _bodies(said: str) -> list[Any]:
    """Return what curl printed, one body after the other."""
    bodies, rest = [], said.strip()
    while rest:
        body, end = json.JSONDecoder().raw_decode(rest)
        bodies.append(body)
        rest = rest[end:].lstrip()
    return bodies


def _knows_networks(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/api/v1/networks?external=true") as answer:
        return bool(json.load(answer)["results"])


def test_how_to_run_these_tests_is_how_they_run() -> None:
    export, command = readme.TEST_OPENSTACK.strip().split("\n")
    assert "OS_CLOUD=" in export
    assert command == "make test-openstack"
    assert f" {command}\n" in (readme.ROOT / ".ci/run").read_text()
