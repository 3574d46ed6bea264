"""What lasts longer than the service is patient with: told, and harmless afterwards."""

import pytest
from pytest_django import Settings

from compute.engine import runner
from compute.models import Operation, Project
from compute.services import vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    CALL_TIMEOUT,
    Bench,
    MakeVM,
    audit,
    ended,
    patience,
    wait_until,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_a_nova_that_hangs_for_long_is_told(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, settings: Settings
) -> None:
    vm = make_vm()
    patience(settings, 2)
    bench.fault("http.nova", match="/servers", delay=5)
    vms.act(vm, "stop", actor=ALICE)
    work()
    error = ended(vm, "ACTIVE", "openstack-timeout")
    assert error["status"] == 504
    bench.clear()
    patience(settings, CALL_TIMEOUT)
    # It heard the first request all the same; we follow.
    wait_until(lambda: cloud.servers.get(vm.server_id).status == "SHUTOFF")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since) == ("SHUTOFF", None)
    audit(cloud)


def test_a_create_that_never_works_leaves_nothing(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
    settings: Settings,
) -> None:
    patience(settings, 4)  # for the listings between, which must not fail too
    bench.fault("http.nova", match="^POST .*servers$", status=500)
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    work()
    error = ended(vm, "ERROR", "openstack-unavailable")
    assert error["openstack"]["status"] == 500
    bench.clear()
    vms.delete(vm, actor=ALICE)
    work()
    ended(vm, "DELETED")
    assert cloud.servers.list_all() == []
    audit(cloud)


def test_neutron_is_dead_for_a_moment(
    bench: Bench, make_vm: MakeVM, project: Project, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench("kill", "neutron-api")
    try:
        vms.act(vm, "stop", actor=ALICE)
        built = vms.create(
            project=project, actor=ALICE, name="built", flavor="m1.tiny", image="cirros"
        )
        for operation in Operation.objects.live():
            runner.run(operation.pk)
        for _ in range(2):
            observe(full=True)
        vm.refresh_from_db()
        assert vm.missing_since is None
        assert Operation.objects.live().count() == 2
    finally:
        bench("start", "neutron-api")
    work()
    ended(vm, "SHUTOFF")
    ended(built, "ACTIVE")
    audit(cloud)
