"""A snapshot, and its removal, meet a cloud that does wrong.

After each of these the cloud holds no server and no image that nobody owns.
"""

from collections.abc import Callable
from typing import Any

from compute.models import VM, Snapshot
from compute.services import snapshots
from providers.mock import MockCloud
from tests.conftest import ALICE
from tests.services.conftest import Play
from tests.support import invariants as ledger
from tests.support.faults import ended, once

MakeVM = Callable[..., VM]


@once(
    ({"kind": "fail", "status": 404}, "openstack-error"),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
def test_a_snapshot_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", **fault)
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    play()
    ended(snapshot.operation, code)
    snapshot.refresh_from_db()
    assert snapshot.status == ("ERROR" if code else "AVAILABLE")
    assert (snapshot.error or {}).get("code") == code
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)
    ledger.check(cloud)
    snapshots.delete(snapshot, actor=ALICE)
    play()
    assert cloud.images.list_snapshots() == []
    ledger.check(cloud)


def test_a_snapshot_whose_answers_are_all_lost_is_one_image(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.snapshot", kind="lose_response", times=0)
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    play()
    ended(snapshot.operation, None)
    assert cloud.controls.call_counts()["servers.snapshot"] == 1
    ledger.check(cloud)


@once(({"kind": "fail", "status": 404}, None))
def test_a_snapshots_delete_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    play()
    # The image is really gone when the cloud says that it does not know it.
    if fault.get("status") == 404:
        cloud.controls.remove_image(Snapshot.objects.get().image_provider_id)
    cloud.controls.inject("images.delete", **fault)
    snapshot = snapshots.delete(snapshot, actor=ALICE)
    play()
    ended(snapshot.operation, code)
    snapshot.refresh_from_db()
    assert snapshot.status == ("AVAILABLE" if code else "DELETED")
    ledger.check(cloud)
