"""Every verb as a call of its service, so that a test can go through all of them."""

from collections.abc import Callable
from functools import partial

from compute.events import Actor
from compute.expected import Expect
from compute.models import VM
from compute.services import snapshots, vms
from tests.conftest import ALICE

#: The name of the snapshot that `VERBS` restores from.
SNAPSHOT_NAME = "before"

Ask = Callable[[VM], object]


def _snapshot(vm: VM, *, actor: Actor, expect: Expect = None) -> object:
    return snapshots.create(vm, actor=actor, name="another", expect=expect)


#: Method of `VM` -> the service that asks for it.
VERBS: dict[str, Ask] = {
    "start": partial(vms.start, actor=ALICE),
    "stop": partial(vms.stop, actor=ALICE),
    "reboot": partial(vms.reboot, actor=ALICE),
    "reboot_hard": partial(vms.reboot, type=vms.RebootType.HARD, actor=ALICE),
    "resize": partial(vms.resize, flavor="m1.medium", actor=ALICE),
    "rebuild": partial(vms.rebuild, image="debian-12", actor=ALICE),
    "restore": partial(vms.restore, snapshot=SNAPSHOT_NAME, actor=ALICE),
    "pause": partial(vms.pause, actor=ALICE),
    "unpause": partial(vms.unpause, actor=ALICE),
    "suspend": partial(vms.suspend, actor=ALICE),
    "resume": partial(vms.resume, actor=ALICE),
    "shelve": partial(vms.shelve, actor=ALICE),
    "unshelve": partial(vms.unshelve, actor=ALICE),
    "rescue": partial(vms.rescue, actor=ALICE),
    "unrescue": partial(vms.unrescue, actor=ALICE),
    "snapshot": partial(_snapshot, actor=ALICE),
    "remove": partial(vms.delete, actor=ALICE),
}
