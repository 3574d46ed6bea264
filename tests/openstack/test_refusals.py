"""A real Nova turns calls away twice, then takes them: nobody waits for a lost request."""

import pytest
from pytest_django import Settings

from compute.models import VM, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE
from tests.openstack.conftest import (
    Bench,
    audit,
    ended,
    patience,
    work,
)
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

#: A call may take the real service so long; of a lost one it waits for as long.
CALL_TIMEOUT = 60
#: Seconds by which an operation that was refused twice has ended.
SOON = 10.0

#: One way through all verbs, and the status each ends in.
WAY: list[tuple[str, str]] = [
    ("stop", "SHUTOFF"),
    ("start", "ACTIVE"),
    ("reboot", "ACTIVE"),
    ("pause", "PAUSED"),
    ("unpause", "ACTIVE"),
    ("suspend", "SUSPENDED"),
    ("resume", "ACTIVE"),
    ("shelve", "SHELVED_OFFLOADED"),
    ("unshelve", "ACTIVE"),
    ("rescue", "RESCUE"),
    ("unrescue", "ACTIVE"),
    ("reboot_hard", "ACTIVE"),
    ("resize", "ACTIVE"),
    ("rebuild", "ACTIVE"),
    ("remove", "DELETED"),
]


def seconds_of(operation: Operation) -> float:
    assert operation.finished_at is not None
    return (operation.finished_at - operation.created_at).total_seconds()


def refuse_twice(bench: Bench, match: str) -> None:
    bench.clear()
    bench.fault("http.nova", match=match, status=503, times=2)


def done_soon(what: str) -> None:
    operation = Operation.objects.latest("created_at")
    assert (operation.status, operation.error) == ("SUCCEEDED", None)
    assert seconds_of(operation) < SOON, what
    assert operation.failures == 0


@pytest.fixture
def patient(cloud: OpenStackCloud, settings: Settings) -> None:
    patience(settings, CALL_TIMEOUT)


@pytest.mark.usefixtures("patient", "catalogue", "emptied")
def test_every_verb_ends_soon_after_two_refusals(
    bench: Bench, project: Project, cloud: OpenStackCloud
) -> None:
    refuse_twice(bench, "^POST .*/servers$")
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.small", image="cirros"
    )
    work()
    ended(vm, "ACTIVE")
    done_soon("create")
    refuse_twice(bench, "^POST .*/action$")
    snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
    work()
    done_soon("snapshot")
    for name, status in [("restore", "ACTIVE"), *WAY]:
        refuse_twice(bench, "^(POST .*/action|DELETE .*)$")
        VERBS[name](VM.objects.get(pk=vm.pk))
        work()
        ended(vm, status)
        done_soon(name)
    bench.clear()
    snapshots.delete(Snapshot.objects.get(), actor=ALICE)
    work()
    audit(cloud)
