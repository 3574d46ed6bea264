"""Every verb of the contract as data, beside Nova's own guards.

``nova_guards.json`` was extracted from Nova's source and is not edited.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.base import Receipt, Server
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


def _simple(method: str) -> Callable[[Lab, Server], Receipt]:
    def call(lab: Lab, server: Server) -> Receipt:
        receipt: Receipt = getattr(lab.provider, method)(
            server.id, request_id=new_request_id()
        )
        return receipt

    return call


def _reboot(*, hard: bool) -> Callable[[Lab, Server], Receipt]:
    def call(lab: Lab, server: Server) -> Receipt:
        return lab.provider.reboot_server(
            server.id, hard=hard, request_id=new_request_id()
        )

    return call


def _resize(lab: Lab, server: Server) -> Receipt:
    return lab.provider.resize_server(
        server.id,
        flavor_id=lab.larger_flavor(server).id,
        request_id=new_request_id(),
    )


def _rebuild(lab: Lab, server: Server) -> Receipt:
    return lab.provider.rebuild_server(
        server.id, image_id=lab.image(OTHER_IMAGE).id, request_id=new_request_id()
    )


def _snapshot(lab: Lab, server: Server) -> Receipt:
    return lab.snapshot(server, tag=new_tag())


VERBS = (
    Verb("start", "start", _simple("start_server"), "ACTIVE", "start"),
    Verb("stop", "stop", _simple("stop_server"), "SHUTOFF", "stop"),
    Verb("soft-reboot", "_soft_reboot", _reboot(hard=False), "ACTIVE", "reboot"),
    Verb("hard-reboot", "_hard_reboot", _reboot(hard=True), "ACTIVE", "reboot"),
    Verb("resize", "resize", _resize, "VERIFY_RESIZE", "resize"),
    Verb(
        "confirm-resize",
        "confirm_resize",
        _simple("confirm_resize"),
        "ACTIVE",
        "confirmResize",
    ),
    Verb("rebuild", "rebuild", _rebuild, None, "rebuild"),
    Verb("pause", "pause", _simple("pause_server"), "PAUSED", "pause"),
    Verb("unpause", "unpause", _simple("unpause_server"), "ACTIVE", "unpause"),
    Verb("suspend", "suspend", _simple("suspend_server"), "SUSPENDED", "suspend"),
    Verb("resume", "resume", _simple("resume_server"), "ACTIVE", "resume"),
    Verb("shelve", "shelve", _simple("shelve_server"), "SHELVED_OFFLOADED", "shelve"),
    Verb("unshelve", "unshelve", _simple("unshelve_server"), "ACTIVE", "unshelve"),
    Verb("rescue", "rescue", _simple("rescue_server"), "RESCUE", "rescue"),
    Verb("unrescue", "unrescue", _simple("unrescue_server"), "ACTIVE", "unrescue"),
    Verb("snapshot", "snapshot", _snapshot, None, "createImage"),
)
