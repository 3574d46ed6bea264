"""What a client sent reaches a real server, and stays as it was sent."""

import gzip
from base64 import b64encode

import openstack
import pytest
from openstack.connection import Connection

from compute.limits import MAX_USER_DATA
from compute.models import VM, Flavor, Project, Quota
from compute.services import keypairs, vms
from compute.services.vms.keys import PREFIX
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import CLOUD, MakeVM, audit, ended, wait_until, work

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b"#!/bin/sh\n"), b"\xff" * MAX_USER_DATA],
    ids=["gzip", "as much as it takes"],
)
def test_user_data_arrives_byte_for_byte(
    admin: Connection, make_vm: MakeVM, data: bytes
) -> None:
    encoded = b64encode(data).decode()
    vm = make_vm(user_data=encoded, user_data_encoding="base64")
    shown = admin.compute.get(f"/servers/{vm.server_id}", microversion="2.96").json()
    assert shown["server"]["OS-EXT-SRV-ATTR:user_data"] == encoded
    assert vm.user_data == ""


def test_a_server_lets_the_key_in_and_its_copy_is_gone(
    admin: Connection, project: Project, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    keypair, _ = keypairs.create(project=project, actor=ALICE, name="alice")
    vm = make_vm(keypair="alice")
    assert (vm.status, vm.keypair) == ("ACTIVE", keypair)
    assert cloud.servers.get(vm.server_id).key_name == f"{PREFIX}{vm.pk}"
    assert not [k for k in cloud.keypairs.list_all() if k.name.startswith(PREFIX)]
    vms.rebuild(vm, image="cirros", actor=ALICE)
    work()
    ended(vm, "ACTIVE")


def test_a_flavor_stays_as_it_was_sent(
    project: Project, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    flavor = str(Flavor.objects.get(name="m1.small").pk)
    vm = make_vm(flavor=flavor)
    observe(full=True)  # enters the port that Nova made for it
    vm.refresh_from_db()
    version = vm.version
    for full in (False, True, True):
        observe(full=full)
    vm.refresh_from_db()
    assert (vm.flavor_name, vm.version) == (flavor, version)


def test_a_server_that_vanished_leaves_a_delete_and_no_quota(
    project: Project, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    openstack.connect(cloud=CLOUD).compute.delete(f"/servers/{vm.server_id}")

    def seen() -> bool:
        observe(full=True)
        vm.refresh_from_db()
        return bool(vm.status == "ERROR")

    wait_until(seen)
    assert vm.allowed_actions == ("delete",)
    assert set(Quota.objects.values_list("used", flat=True)) == {0}
    vms.delete(VM.objects.get(), actor=ALICE)
    work()
    ended(vm, "DELETED")
    assert set(Quota.objects.values_list("used", flat=True)) == {0}
    audit(cloud)
