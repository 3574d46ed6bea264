"""Every verb as a call of its service, so that a test can go through all of them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from compute.models.vm import VERBS as DECLARED
from compute.services.actions import VM_ACTIONS
from tests.conftest import ALICE

#: The name of the snapshot that `VERBS` restores from.
SNAPSHOT_NAME = "before"

_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "reboot_hard": {"type": "HARD"},
    "resize": {"flavor": "m1.medium"},
    "rebuild": {"image": "debian-12"},
    "restore": {"snapshot": SNAPSHOT_NAME},
    "snapshot": {"name": "another"},
    "attach_network": {"network": "private"},
    "detach_network": {"network": "private"},
    "set_security_groups": {"security_groups": []},
}

Ask = Callable[..., object]

#: Method of `VM` -> the service that asks for it.
VERBS: Mapping[str, Ask] = {
    method: partial(
        VM_ACTIONS[verb.action].service, actor=ALICE, **_ARGUMENTS.get(method, {})
    )
    for method, verb in DECLARED.items()
}
