"""A real OpenStack keeps the contract that the mock keeps."""

from collections.abc import Iterator
from uuid import uuid4

import openstack
import pytest
from openstack.connection import Connection

from providers.openstack import OpenStackCloud
from tests.providers.contract.cloud import CloudContract
from tests.providers.openstack.conftest import ADMIN_CLOUD, CLOUD
from tests.support.contract_cloud import BreakServer, FailBuild, Lab


@pytest.fixture(scope="module")
def cloud() -> OpenStackCloud:
    return OpenStackCloud(cloud=CLOUD, page_size="3")


@pytest.fixture(scope="module")
def admin() -> Connection | None:
    return openstack.connect(cloud=ADMIN_CLOUD) if ADMIN_CLOUD else None


@pytest.fixture(scope="module")
def break_server(admin: Connection | None) -> BreakServer | None:
    if admin is None:
        return None

    def put_into_error(server_id: str) -> None:
        action = {"os-resetState": {"state": "error"}}
        admin.compute.post(f"/servers/{server_id}/action", json=action)

    return put_into_error


@pytest.fixture(scope="module")
def fail_build(admin: Connection | None) -> FailBuild | None:
    """Ask for a server with a disk that no host can carry."""
    if admin is None:
        return None

    def request(lab: Lab) -> str:
        flavor = {"vcpus": 1, "ram": 512, "disk": 2_000_000_000}
        body = {"flavor": {**flavor, "name": f"boundless-{uuid4().hex[:8]}"}}
        made = admin.compute.post("/flavors", json=body).json()["flavor"]
        try:
            server_id, _ = lab.request(lab.spec(flavor_id=made["id"]))
        finally:
            admin.compute.delete(f"/flavors/{made['id']}")
        return server_id

    return request


@pytest.fixture(scope="module")
def foreign_server(
    cloud: OpenStackCloud, admin: Connection | None
) -> Iterator[str | None]:
    if admin is None:
        yield None
        return
    body = {
        "name": "somebody-elses",
        "flavorRef": cloud.flavors.list_all()[0].id,
        "imageRef": cloud.images.list_all()[0].id,
        "networks": "none",
    }
    answer = admin.compute.post(
        "/servers", json={"server": body}, microversion="2.37"
    ).json()
    yield answer["server"]["id"]
    admin.compute.delete(f"/servers/{answer['server']['id']}")


class TestOpenStackCloud(CloudContract):
    """Every test is inherited."""
