"""The engine, worker and passes, over a real cloud."""

from functools import partial

import openstack
import pytest
from pytest_django import Settings

from compute import clouds
from compute.models import VM, Event, Project
from compute.services import vms
from compute.services.vms import imports
from providers.contract.servers import ServerSpec
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE
from tests.openstack.conftest import CLOUD, MakeVM, audit, wait_until, work

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_a_vm_is_made_stopped_started_and_deleted(
    make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    assert cloud.servers.get(vm.server_id).tags == {str(vm.pk)}
    for act, status in (
        (partial(vms.act, method="stop"), "SHUTOFF"),
        (partial(vms.act, method="start"), "ACTIVE"),
        (vms.delete, "DELETED"),
    ):
        act(VM.objects.get(pk=vm.pk), actor=ALICE)
        work()
        vm.refresh_from_db()
        assert vm.status == status
    audit(cloud)


def test_people_find_the_vm_of_a_server(make_vm: MakeVM) -> None:
    vm = make_vm()
    answer = openstack.connect(cloud=CLOUD).compute.get(f"/servers/{vm.server_id}")
    assert answer.json()["server"]["metadata"] == {"vm_id": str(vm.pk)}


def test_a_vm_that_names_no_network_needs_one_that_is_clear(
    project: Project, catalogue: None, cloud: OpenStackCloud, settings: Settings
) -> None:
    settings.PROVIDERS["default"]["OPTIONS"]["network"] = "nowhere"
    clouds.reset()
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    work()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert (vm.error["code"], vm.error["status"]) == ("openstack-refused", 400)
    assert "'nowhere'" in vm.error["detail"]
    assert "'network'" in vm.error["detail"]


def test_a_server_that_was_there_before_is_adopted_and_managed(
    project: Project, catalogue: None, emptied: None, cloud: OpenStackCloud
) -> None:
    flavor = next(f for f in cloud.flavors.list_all() if f.name == "m1.tiny")
    image = next(i for i in cloud.images.list_all() if i.name == "cirros")
    spec = ServerSpec("old", flavor_id=flavor.id, image_id=image.id, tag="blue")
    server_id = cloud.servers.create(spec, request_id=ALICE.request_id).created_id
    assert server_id is not None
    wait_until(lambda: cloud.servers.get(server_id).status == "ACTIVE")
    (first,) = imports.import_servers("default", project)
    (second,) = imports.import_servers("default", project)
    vm = VM.objects.get()
    assert (first.skipped, str(vm.pk) in second.skipped) == ("", True)
    assert (vm.name, vm.status, vm.server_id) == ("old", "ACTIVE", server_id)
    vms.act(vm, "stop", actor=ALICE)
    work()
    vms.delete(VM.objects.get(), actor=ALICE)
    work()
    assert not cloud.servers.list_all()
    assert Event.objects.filter(type="vm.imported").count() == 1
