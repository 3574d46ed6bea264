"""Every verb of the contract as data, beside Nova's own guards.

``nova_guards.json`` was extracted from Nova's source and is not edited.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.contract.calls import Receipt
from providers.contract.servers import Server, ServerVerb
from tests.support.contract_cloud import OTHER_IMAGE, Lab, new_request_id, new_tag

NOVA_GUARDS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("nova_guards.json").read_text(encoding="utf-8")
)["actions"]

#: Nova's constants of vm_states whose word in the API differs.
VM_STATE_OF_STATUS = {
    "SHUTOFF": "STOPPED",
    "RESCUE": "RESCUED",
    "VERIFY_RESIZE": "RESIZED",
    "BUILD": "BUILDING",
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb and the name of the function that guards it in Nova."""

    name: str
    guard: str
    call: Callable[[Lab, Server], Receipt]
    #: The status after success; ``None``: as before.
    ends: str | None
    #: Nova's word in the action record and in its refusals.
    action: str

    def permitted(self, status: str) -> bool:
        """Tell whether Nova lets a settled, launched server in ``status`` pass."""
        allowed = NOVA_GUARDS[self.guard]["permit"]["vm_state"]
        return allowed == "any" or VM_STATE_OF_STATUS.get(status, status) in allowed

    def end_from(self, status: str) -> str:
        """Return the status after success from ``status``."""
        if self.name == "rebuild" and status != "SHUTOFF":
            return "ACTIVE"
        return self.ends or status


def _act(verb: ServerVerb) -> Callable[[Lab, Server], Receipt]:
    def call(lab: Lab, server: Server) -> Receipt:
        return lab.cloud.servers.act(server.id, verb, request_id=new_request_id())

    return call


def _reboot(*, hard: bool) -> Callable[[Lab, Server], Receipt]:
    def call(lab: Lab, server: Server) -> Receipt:
        return lab.cloud.servers.reboot(
            server.id, hard=hard, request_id=new_request_id()
        )

    return call


def _resize(lab: Lab, server: Server) -> Receipt:
    return lab.cloud.servers.resize(
        server.id,
        flavor_id=lab.larger_flavor(server).id,
        request_id=new_request_id(),
    )


def _rebuild(lab: Lab, server: Server) -> Receipt:
    return lab.cloud.servers.rebuild(
        server.id, image_id=lab.image(OTHER_IMAGE).id, request_id=new_request_id()
    )


def _snapshot(lab: Lab, server: Server) -> Receipt:
    return lab.snapshot(server, tag=new_tag())


VERBS = (
    Verb("start", "start", _act("start"), "ACTIVE", "start"),
    Verb("stop", "stop", _act("stop"), "SHUTOFF", "stop"),
    Verb("soft-reboot", "_soft_reboot", _reboot(hard=False), "ACTIVE", "reboot"),
    Verb("hard-reboot", "_hard_reboot", _reboot(hard=True), "ACTIVE", "reboot"),
    Verb("resize", "resize", _resize, "VERIFY_RESIZE", "resize"),
    Verb(
        "confirm_resize",
        "confirm_resize",
        _act("confirm_resize"),
        "ACTIVE",
        "confirmResize",
    ),
    Verb("rebuild", "rebuild", _rebuild, None, "rebuild"),
    Verb("pause", "pause", _act("pause"), "PAUSED", "pause"),
    Verb("unpause", "unpause", _act("unpause"), "ACTIVE", "unpause"),
    Verb("suspend", "suspend", _act("suspend"), "SUSPENDED", "suspend"),
    Verb("resume", "resume", _act("resume"), "ACTIVE", "resume"),
    Verb("shelve", "shelve", _act("shelve"), "SHELVED_OFFLOADED", "shelve"),
    Verb("unshelve", "unshelve", _act("unshelve"), "ACTIVE", "unshelve"),
    Verb("rescue", "rescue", _act("rescue"), "RESCUE", "rescue"),
    Verb("unrescue", "unrescue", _act("unrescue"), "ACTIVE", "unrescue"),
    Verb("snapshot", "snapshot", _snapshot, None, "createImage"),
)
