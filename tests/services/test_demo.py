"""Demo data agrees with the mock cloud, row by row."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count
from django.utils import timezone
from pytest_django import Settings

from compute import clouds
from compute.models import VM, Event, Operation, Project, Quota
from compute.services import demo
from providers.mock import MockCloud
from tests.conftest import observe


def test_cloud_and_database_hold_the_same(project: Project, cloud: MockCloud) -> None:
    assert demo.seed(60) == 60
    servers = {server.id: server for server in cloud.servers.list_all()}
    vms = list(VM.objects.all())
    assert {vm.server_id for vm in vms} == servers.keys()
    for vm in vms:
        server = servers[vm.server_id]
        assert (vm.name, vm.status) == (server.name, server.status)
        assert str(vm.pk) in server.tags
        assert (vm.error is not None) == (vm.status == "ERROR")
        # The demo's failures are builds that found no host.
        assert vm.never_launched == (vm.status == "ERROR")
        assert vm.never_launched == (server.launched_at is None)
    assert len({vm.status for vm in vms}) > 2


def test_the_next_pass_finds_nothing_to_correct(
    project: Project, cloud: MockCloud
) -> None:
    demo.seed(60)
    observe(full=True)  # which finds the ports that Nova made
    versions = set(VM.objects.values_list("pk", "version"))
    observe(full=True)
    assert set(VM.objects.values_list("pk", "version")) == versions
    changed = Event.objects.exclude(type="vm.created")
    assert {frozenset(event.changes) for event in changed} == {
        frozenset({"networks", "security_groups"})
    }


def test_every_vm_has_the_operation_and_the_event_of_its_creation(
    project: Project, cloud: MockCloud
) -> None:
    demo.seed(10)
    demo.seed(10)
    assert Operation.objects.live().count() == 0
    assert VM.objects.filter(operation=None).count() == 0
    sequences = Event.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(sequences) == list(range(1, 21))


def test_projects_share_the_vms_and_count_them(
    project: Project, cloud: MockCloud
) -> None:
    assert demo.seed(2100, projects=5, history=2) == 2100
    assert not VM.objects.filter(project=project).exists()
    owners = Project.objects.exclude(pk=project.pk)
    assert len({owner.name for owner in owners}) == 5
    sizes = sorted(owners.annotate(size=Count("vms")).values_list("size", flat=True))
    assert sizes[0] == 210
    assert sizes[1] > 300
    for owner in owners:
        used = Quota.objects.get(project=owner, resource="vms").used
        assert used == owner.vms.filter(counted=True).count()
        sequences = owner.events.order_by("sequence").values_list("sequence", flat=True)
        assert list(sequences) == list(range(1, owner.event_sequence + 1))
    built = VM.objects.exclude(status="ERROR")
    assert Operation.objects.count() == 2100 + 2 * built.count()
    # The first event of each VM and project, and five for each operation since.
    assert Event.objects.count() == 2100 + 5 + 10 * built.count()
    vm = built.select_related("operation")[0]
    assert vm.operation is not None
    assert vm.operation.type == "vm.start"
    assert vm.created_at < vm.operation.created_at < vm.updated_at < timezone.now()
    observe(full=True)
    assert not Event.objects.filter(type="vm.drifted").exists()


def test_the_command_says_how_many_there_are(
    project: Project, cloud: MockCloud
) -> None:
    out = StringIO()
    call_command("seed_demo", vms=3, stdout=out)
    call_command("seed_demo", vms=2, stdout=out)
    assert out.getvalue().splitlines() == [
        "3 VMs added, 3 in all.",
        "2 VMs added, 5 in all.",
    ]


@pytest.mark.parametrize("count", ["0", "-1", "1000001"])
def test_the_command_refuses_counts_that_make_no_sense(count: str) -> None:
    with pytest.raises(CommandError, match="from 1 to 1000000"):
        call_command("seed_demo", "--vms", count)


def test_a_real_cloud_gets_no_demo_data(project: Project, settings: Settings) -> None:
    settings.PROVIDERS = {
        "default": {"BACKEND": "unittest.mock.NonCallableMock", "OPTIONS": {}}
    }
    clouds.reset()
    with pytest.raises(CommandError, match="not a mock"):
        call_command("seed_demo", vms=1)
    clouds.reset()
