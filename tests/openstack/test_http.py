"""From a client's HTTP request to Nova and back, with every process in between.

The service runs as compose.yaml says, over the real cloud and a mock one. Each result
is read twice: over our API, and from the cloud by openstacksdk.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import get_args

import openstack
import pytest
from openstack.connection import Connection

from tests.openstack.conftest import BENCH, CLOUD, Bench, wait_until
from tests.support.api import errors, problem
from tests.support.openstack_service import Broker, Json, Service, serving
from tests.support.seen_by_openstack import Cloud

ADMIN_CLOUD = os.environ.get("OS_ADMIN_CLOUD", "")
FLAVOR, LARGER, LARGEST = "m1.tiny", "m1.small", "m1.medium"
IMAGE, OTHER_IMAGE = "cirros", "debian-12"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.postgres,
    pytest.mark.slow,
    # openstacksdk warns of what it does itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
]


@pytest.fixture(scope="module", params=get_args(Broker))
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with serving(
        tmp_path_factory.mktemp("service"),
        clouds=f"default=openstack://{CLOUD}?timeout=20,lab=mock://",
        broker=request.param,
        CATALOG_INTERVAL_SECONDS="2",
    ) as service:
        yield service


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """The cloud as its own user sees it."""
    with openstack.connect(cloud=CLOUD) as connection:
        yield connection


@pytest.fixture(scope="module")
def admin() -> Iterator[Connection]:
    if not ADMIN_CLOUD:
        pytest.skip("OS_ADMIN_CLOUD names no operator's credentials")
    with openstack.connect(cloud=ADMIN_CLOUD) as connection:
        yield connection


@pytest.fixture
def cloud(connection: Connection, service: Service) -> Iterator[Cloud]:
    """The cloud, which a test must leave without anything of its own."""
    cloud = Cloud(connection)
    yield cloud
    left = cloud.leftovers()
    cloud.purge()
    wait_until(lambda: not cloud.leftovers())
    assert left == []


Create = Callable[..., Json]


@pytest.fixture
def create(service: Service, cloud: Cloud) -> Create:
    def create(name: str, **fields: str) -> Json:
        body = {"name": name, "flavor": FLAVOR, "image": IMAGE, **fields}
        created = service.done("POST", "/vms", body)
        assert created.answer.status_code == 201
        assert created.answer.headers["Location"].endswith(created.body["id"])
        assert created.body["status"] == "ACTIVE"
        return created.body

    return create


def delete(service: Service, cloud: Cloud, vm: Json) -> None:
    deleted = service.done("DELETE", f"/vms/{vm['id']}")
    assert deleted.body["status"] == "DELETED"
    assert deleted.body["deleted_at"]
    assert cloud.servers_of(vm) == []
    problem(service.call("GET", f"/vms/{vm['id']}"), 404, "not-found")


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a VM's life, and how it ends on both sides."""

    action: str
    status: str
    body: dict[str, str] = field(default_factory=dict)
    #: How Nova calls what it did last for it.
    record: str = ""


LIFE = (
    Step("stop", "SHUTOFF"),
    Step("rebuild", "SHUTOFF", {"image": OTHER_IMAGE}),
    Step("resize", "ACTIVE", {"flavor": LARGER}, record="start"),
    Step("stop", "SHUTOFF"),
    Step("start", "ACTIVE"),
    Step("reboot", "ACTIVE", {"type": "SOFT"}),
    Step("reboot", "ACTIVE", {"type": "HARD"}),
    Step("pause", "PAUSED"),
    Step("unpause", "ACTIVE"),
    Step("suspend", "SUSPENDED"),
    Step("resume", "ACTIVE"),
    Step("shelve", "SHELVED_OFFLOADED"),
    Step("unshelve", "ACTIVE"),
    Step("rescue", "RESCUE"),
    Step("unrescue", "ACTIVE"),
    Step("resize", "ACTIVE", {"flavor": LARGEST}, record="confirmResize"),
    Step("rebuild", "ACTIVE", {"image": IMAGE}),
)


def test_a_vm_takes_every_action(
    service: Service,
    cloud: Cloud,
    create: Create,
) -> None:
    vm = create("whole-life")
    server = cloud.server_of(vm)
    assert (server.name, server.status) == ("whole-life", "ACTIVE")
    assert [a["ip"] for a in vm["addresses"]] == [
        a["addr"] for nets in server.addresses.values() for a in nets
    ]
    for step in LIFE:
        before = len(cloud.records_of(vm))
        ended = service.done(
            "POST", f"/vms/{vm['id']}/actions/{step.action}", step.body
        )
        vm = ended.body
        assert vm["status"] == step.status, step
        assert vm["error"] is None
        assert "delete" in vm["allowed_actions"]
        assert ended.operation["type"] == f"vm.{step.action}"
        assert ended.operation["target"] == {"type": "vm", "id": vm["id"]}
        read = service.get(f"/vms/{vm['id']}")
        assert read | {"observed_at": vm["observed_at"]} == vm
        server = cloud.server_of(vm)
        assert (server.status, server.task_state) == (step.status, None), step
        assert server.flavor.original_name == vm["flavor"]
        records = cloud.records_of(vm)
        assert records[0] == (step.record or step.action), step
        if not step.record:
            assert len(records) == before + 1, step
        if "image" in step.body:
            image = cloud.connection.image.get_image(server.image.id)
            assert image.name == vm["image"] == step.body["image"]
    listed = service.get(f"/operations?vm={vm['id']}&per_page=100")["results"]
    assert [o["type"] for o in listed] == [
        *(f"vm.{step.action}" for step in reversed(LIFE)),
        "vm.create",
    ]
    delete(service, cloud, vm)


def test_a_snapshot_is_taken_restored_and_deleted(
    service: Service, cloud: Cloud, create: Create
) -> None:
    vm = create("photographed")
    at = f"/vms/{vm['id']}"
    taken = service.done("POST", f"{at}/snapshots", {"name": "before"})
    snapshot = taken.body
    assert (taken.answer.status_code, snapshot["status"]) == (201, "AVAILABLE")
    (image,) = cloud.images()
    assert (image.name, image.status) == ("before", "active")
    assert image.instance_uuid == cloud.server_of(vm).id
    assert image.properties["vmmanager_tag"] == snapshot["id"]
    for path in (f"{at}/snapshots", "/snapshots"):
        (listed,) = service.get(path)["results"]
        assert listed["id"] == snapshot["id"]
        assert listed["image"]

    restored = service.done("POST", f"{at}/actions/restore", {"snapshot": "before"})
    assert (restored.body["status"], restored.body["image"]) == ("ACTIVE", IMAGE)
    server = cloud.server_of(vm)
    assert (server.status, server.image.id) == ("ACTIVE", image.id)
    assert cloud.records_of(vm)[0] == "rebuild"

    deleted = service.done("DELETE", f"/snapshots/{snapshot['id']}")
    assert deleted.body["status"] == "DELETED"
    assert cloud.images() == []
    delete(service, cloud, vm)


@pytest.fixture
def impossible(admin: Connection, cloud: Cloud) -> Iterator[str]:
    """A flavor of our project that fits on no host: its disk is 2 EB."""
    name = f"impossible-{uuid.uuid4().hex[:8]}"
    flavor = admin.compute.create_flavor(
        name=name, vcpus=1, ram=512, disk=2_000_000_000, is_public=False
    )
    admin.compute.flavor_add_tenant_access(flavor, cloud.project_id)
    yield name
    admin.compute.delete_flavor(flavor)


def test_a_build_that_fails_in_the_cloud_says_why(
    service: Service, cloud: Cloud, impossible: str
) -> None:
    def offered() -> bool:
        return bool(service.get(f"/flavors?name={impossible}")["results"])

    wait_until(offered, seconds=30)
    body = {"name": "too-large", "flavor": impossible, "image": IMAGE}
    failed = service.write("POST", "/vms", body)
    document = problem(failed.answer, 502, "openstack-error")
    vm = service.get(f"/vms/{document['vm']}")
    server = cloud.server_of(vm)
    assert (vm["status"], server.status) == ("ERROR", "ERROR")
    assert vm["allowed_actions"] == ["delete"]
    said = cloud.connection.compute.get_server(server.id).fault["message"].strip()
    assert "No valid host" in said
    assert said in document["detail"]
    assert document["retryable"] is False
    assert failed.operation["status"] == "FAILED"
    for error in (failed.operation["error"], vm["error"]):
        assert error["code"] == "openstack-error"
        assert error["detail"] == document["detail"]
    delete(service, cloud, vm)


@pytest.fixture
def full(admin: Connection, cloud: Cloud) -> Iterator[None]:
    """Our project may have no server at all in the cloud."""
    before = admin.compute.get_quota_set(cloud.project_id).instances
    admin.compute.update_quota_set(cloud.project_id, instances=0)
    yield
    admin.compute.update_quota_set(cloud.project_id, instances=before)


def test_the_quota_of_the_cloud_is_told_as_a_limit(
    service: Service, cloud: Cloud, full: None
) -> None:
    body = {"name": "one-too-many", "flavor": FLAVOR, "image": IMAGE}
    failed = service.write("POST", "/vms", body)
    document = problem(failed.answer, 403, "resource-limit-exceeded")
    assert "Quota exceeded for instances" in document["detail"]
    assert document["openstack"]["status"] == 403
    assert failed.operation["error"]["detail"] == document["detail"]
    assert cloud.leftovers() == []
    vm = service.get(f"/vms/{document['vm']}")
    assert vm["status"] == "ERROR"
    delete(service, cloud, vm)


@pytest.mark.parametrize("field", ["flavor", "image", "cloud"])
def test_what_the_cloud_does_not_have_is_refused_by_name(
    service: Service, cloud: Cloud, field: str
) -> None:
    name = f"refused-{field}"
    body = {"name": name, "flavor": FLAVOR, "image": IMAGE, field: "nonsense"}
    refused = service.call("POST", "/vms", body)
    assert errors(refused) == [(f"#/{field}", "does_not_exist")]
    assert "nonsense" in refused.json()["detail"]
    assert service.get(f"/vms?name={name}&include_deleted=true")["results"] == []


def test_a_create_in_flight_is_cancelled_and_its_server_removed(
    service: Service, cloud: Cloud
) -> None:
    name = f"cancelled-{uuid.uuid4().hex[:8]}"
    if BENCH:  # so that there is time to cancel
        Bench().fault("nova.spawn", match=f"^{name}", delay=5, times=1)
    body = {"name": name, "flavor": FLAVOR, "image": IMAGE}
    accepted = service.call("POST", "/vms", body, prefer="respond-async")
    vm = accepted.json()
    assert (accepted.status_code, vm["status"]) == (202, "BUILD")
    wait_until(lambda: bool(cloud.servers_of(vm)), every=0.05)
    assert cloud.server_of(vm).status == "BUILD"
    busy = service.call("DELETE", f"/vms/{vm['id']}", prefer="")
    document = problem(busy, 409, "operation-in-progress")
    assert document["operation_id"] == vm["operation_id"]
    cancelled = service.call(
        "POST", f"/operations/{vm['operation_id']}/actions/cancel"
    ).json()
    assert (cancelled["status"], cancelled["target"]["id"]) == ("CANCELLED", vm["id"])
    assert cloud.leftovers() == []
    gone = service.get(f"/vms/{vm['id']}?include_deleted=true")
    assert (gone["status"], gone["error"]) == ("DELETED", None)


def test_two_clouds_are_worked_on_at_once_and_kept_apart(
    service: Service, cloud: Cloud
) -> None:
    flavor = {"default": FLAVOR, "lab": "m1.small"}
    image = {"default": IMAGE, "lab": "ubuntu-22.04"}
    accepted = {
        alias: service.call(
            "POST",
            "/vms",
            {
                "name": f"on-{alias}",
                "cloud": alias,
                "flavor": flavor[alias],
                "image": image[alias],
            },
            prefer="respond-async",
        )
        for alias in ("lab", "default")
    }
    vms = {alias: answer.json() for alias, answer in accepted.items()}
    ended = {a: service.operation_of(answer) for a, answer in accepted.items()}
    for alias, operation in ended.items():
        assert (operation["status"], operation["cloud"]) == ("SUCCEEDED", alias)
    assert ended["lab"]["started_at"] < ended["default"]["finished_at"]
    assert ended["default"]["started_at"] < ended["lab"]["finished_at"]
    (server,) = cloud.connection.compute.servers()
    assert server.name == "on-default"
    for alias, vm in vms.items():
        at = f"/vms/{vm['id']}"
        assert service.get(at)["status"] == "ACTIVE"
        stopped = service.done("POST", f"{at}/actions/stop")
        assert (stopped.body["status"], stopped.body["cloud"]) == ("SHUTOFF", alias)
    assert cloud.server_of(vms["default"]).status == "SHUTOFF"
    for vm in vms.values():
        delete(service, cloud, vm)


def test_operators_see_all_of_it_in_the_console(
    service: Service, cloud: Cloud, create: Create
) -> None:
    vm = create("watched")
    service.done("POST", f"/vms/{vm['id']}/actions/stop")
    delete(service, cloud, vm)
    service.log_in()
    page = service.page("GET", f"/admin/compute/event/?about=vm:{vm['id']}")
    assert page.status_code == 200, page.text
    for type in ("vm.created", "vm.updated", "operation.finished", "vm.deleted"):
        assert type in page.text
    assert page.text.count("operation.finished") == 3
