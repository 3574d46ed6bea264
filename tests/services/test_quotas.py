"""Quotas: reserved by what begins, given back by what ends, exact at every moment."""

from collections.abc import Callable, Iterator

import pytest

from compute.engine import runner
from compute.errors import NotFound, ResourceLimitExceeded
from compute.models import VM, Network, Project, Quota, Resource, Snapshot
from compute.models.kinds import in_use
from compute.services import networks, projects, quotas, snapshots, vms
from compute.services.vms import imports
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, drain_all, observe
from tests.support.factories import ProjectFactory
from tests.support.invariants import check_quotas

MakeVM = Callable[..., VM]
CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"


@pytest.fixture(autouse=True)
def exact(db: None) -> Iterator[None]:
    """After every test: what is counted is what there is."""
    yield
    check_quotas()


def limit(project: Project, **limits: int) -> None:
    for resource, amount in limits.items():
        Quota.objects.filter(project=project, resource=resource).update(limit=amount)


def used(project: Project) -> dict[str, int]:
    rows = Quota.objects.filter(project=project).values_list("resource", "used")
    return {resource: amount for resource, amount in rows if amount}


def create(project: Project, flavor: str = "m1.small") -> VM:
    return vms.create(
        project=project, actor=ALICE, name="x", flavor=flavor, image="cirros"
    )


def test_a_vm_counts_from_its_request_to_its_end(
    project: Project, catalogue: None, drain: Drain
) -> None:
    vm = create(project)
    held = {"vms": 1, "vcpus": 1, "ram_mb": 2048, "disk_gb": 20}
    assert used(project) == held
    drain()
    assert used(project) == held
    vms.delete(VM.objects.get(pk=vm.pk), actor=ALICE)
    # The cloud has it until it says otherwise.
    assert used(project) == held
    drain()
    assert used(project) == {}


@pytest.mark.parametrize(
    ("resource", "amount"),
    [("vms", 1), ("vcpus", 1), ("ram_mb", 2048), ("disk_gb", 20)],
)
def test_each_limit_holds(
    project: Project, catalogue: None, resource: str, amount: int
) -> None:
    limit(project, **{resource: 2 * amount - 1 if amount > 1 else 1})
    create(project)
    before = used(project)
    with pytest.raises(ResourceLimitExceeded) as refused:
        create(project)
    assert refused.value.members["resource"] == resource
    assert (refused.value.members["used"], refused.value.members["requested"]) == (
        amount,
        amount,
    )
    assert used(project) == before
    assert VM.objects.count() == 1


def test_a_create_that_fails_before_there_is_a_server_counts_no_more(
    project: Project, catalogue: None, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("servers.create", kind="fail", status=403)
    vm = create(project)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.server_id) == ("ERROR", "")
    assert used(project) == {}
    vms.delete(vm, actor=ALICE)
    drain()
    assert used(project) == {}


def test_a_server_in_error_counts_until_it_is_deleted(
    project: Project, catalogue: None, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("servers.create", kind="build_error", message="No valid host")
    vm = create(project)
    drain()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert used(project)["vms"] == 1
    vms.delete(vm, actor=ALICE)
    drain()
    assert used(project) == {}


def test_a_cancelled_create_counts_no_more(
    project: Project, catalogue: None, drain: Drain
) -> None:
    vm = create(project)
    assert vm.operation is not None
    runner.cancel(vm.operation, actor=ALICE)
    drain()
    assert used(project) == {}


def test_a_resize_holds_both_sizes_until_it_ends(
    project: Project, make_vm: MakeVM
) -> None:
    vm = make_vm()
    vms.resize(vm, flavor="m1.large", actor=ALICE)
    assert used(project) == {"vms": 1, "vcpus": 4, "ram_mb": 8192, "disk_gb": 80}
    check_quotas()
    drain_all()
    assert used(project) == {"vms": 1, "vcpus": 4, "ram_mb": 8192, "disk_gb": 80}


def test_a_resize_that_fails_gives_back_what_it_held(
    project: Project, make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.resize", kind="fail", status=409)
    vms.resize(vm, flavor="m1.large", actor=ALICE)
    drain_all()
    assert used(project) == {"vms": 1, "vcpus": 1, "ram_mb": 2048, "disk_gb": 20}


def test_a_resize_beyond_the_limit_is_refused(
    project: Project, make_vm: MakeVM
) -> None:
    vm = make_vm()
    limit(project, vcpus=3)
    with pytest.raises(ResourceLimitExceeded):
        vms.resize(vm, flavor="m1.large", actor=ALICE)
    vm.refresh_from_db()
    assert (vm.status, vm.reserved_vcpus) == ("ACTIVE", 0)
    vms.resize(vm, flavor="m1.medium", actor=ALICE)


def test_snapshots_count_until_they_are_gone(
    project: Project, make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    limit(project, snapshots=1)
    kept = snapshots.create(vm, name="one", actor=ALICE)
    drain_all()
    with pytest.raises(ResourceLimitExceeded):
        snapshots.create(VM.objects.get(pk=vm.pk), name="two", actor=ALICE)
    snapshots.delete(Snapshot.objects.get(pk=kept.pk), actor=ALICE)
    drain_all()
    cloud.controls.inject("servers.snapshot", kind="fail", status=403)
    failed = snapshots.create(VM.objects.get(pk=vm.pk), name="two", actor=ALICE)
    drain_all()
    assert "snapshots" not in used(project)
    # It is there to be looked at, and to be deleted, and counts in neither case.
    snapshots.delete(Snapshot.objects.get(pk=failed.pk), actor=ALICE)
    drain_all()
    assert "snapshots" not in used(project)


def test_what_is_resized_outside_counts_as_it_is(
    project: Project, make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    limit(project, vcpus=1)
    large = cloud.flavors.list_all()
    (flavor,) = (f for f in large if f.name == "m1.large")
    cloud.servers.resize(vm.server_id, flavor_id=flavor.id, request_id="")
    cloud.servers.act(vm.server_id, "confirm_resize", request_id="")
    observe(full=True)
    assert used(project)["vcpus"] == 4


def test_what_is_imported_counts_whatever_the_limit(
    project: Project, catalogue: None, cloud: MockCloud
) -> None:
    limit(project, vms=0)
    cloud.controls.seed([SeedServer("old", "2", CIRROS)])
    assert [found.skipped for found in imports.import_servers("default", project)] == [
        ""
    ]
    assert used(project)["vms"] == 1


def test_recounting_mends_what_was_written_past_the_services(
    project: Project, make_vm: MakeVM
) -> None:
    make_vm()
    Quota.objects.filter(project=project).update(used=99)
    quotas.recount(project)
    assert in_use(project)[Resource.VMS] == 1


def test_a_limit_below_the_use_removes_nothing(
    project: Project, make_vm: MakeVM
) -> None:
    make_vm()
    quotas.update(project, actor=ALICE, limits={Resource.VMS: 0})
    assert VM.objects.alive().count() == 1
    with pytest.raises(ResourceLimitExceeded):
        create(project)


def test_a_project_that_existed_before_networks_has_the_default_limits(
    catalogue: None, drain: Drain
) -> None:
    shop = ProjectFactory.create(name="shop")
    later = Quota.objects.filter(project=shop, resource__in=["networks", "subnets"])
    later.delete()
    shown = {quota.resource: quota.limit for quota in quotas.of(shop)}
    assert (shown["networks"], shown["subnets"]) == (10, 20)
    networks.create(project=shop, actor=ALICE, name="web", cidr="10.1.0.0/24")
    drain()
    assert dict(later.values_list("resource", "limit")) == {
        "networks": 10,
        "subnets": 20,
    }


def test_a_limit_is_set_that_was_not_there(project: Project) -> None:
    later = Quota.objects.filter(project=project, resource="networks")
    later.delete()
    rows = quotas.update(project, actor=ALICE, limits={Resource.NETWORKS: 1})
    assert {row.resource: row.limit for row in rows}["networks"] == 1
    assert later.get().limit == 1


def test_a_project_that_is_gone_gets_no_limits_again(
    project: Project, catalogue: None
) -> None:
    shop = ProjectFactory.create(name="shop")
    projects.delete(shop, actor=ALICE)
    with pytest.raises(NotFound):
        networks.create(project=shop, actor=ALICE, name="web")
    assert not Quota.objects.filter(project=shop).exists()
    assert not Network.objects.filter(project=shop).exists()
