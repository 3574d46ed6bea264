"""Batches: one action asked of many VMs, each by itself.

What is to be asked is written first, all at once. Then each VM is asked in a
transaction of its own, which notes its answer, too. So a batch that was interrupted
knows what is left of it, and nobody is asked twice.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone
from django_fsm import can_proceed

from compute.errors import DeleteProtected, PreconditionFailed, Problem
from compute.events import Actor
from compute.expected import Expect
from compute.models import VM, Batch, BatchAction, BatchItem, OperationStatus
from compute.models.batch import Numbers
from compute.services import vms
from compute.services.actions import VM_ACTIONS, Action
from compute.services.vms.requests import not_allowed

#: The time that one request has for asking.
SECONDS = 10.0
#: A batch that has asked nobody for so long is not going on by itself.
STALLED = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a batch asks of each VM."""

    action: Action
    #: The transition of a VM that it begins.
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def _plain(verb: str) -> Ask:
    return Ask(VM_ACTIONS[verb], verb)


ASKS: Mapping[str, Ask] = {
    **{action: _plain(action) for action in BatchAction if action in VM_ACTIONS},
    BatchAction.REBOOT_HARD: Ask(
        VM_ACTIONS["reboot"],
        "reboot_hard",
        {"type": vms.RebootType.HARD},
        note="Hard cuts the power: what was not written to disk is lost.",
    ),
    BatchAction.DELETE: Ask(
        VM_ACTIONS["delete"], "remove", note=VM_ACTIONS["delete"].note
    ),
}


class Shown(NamedTuple):
    """A VM as somebody was shown it."""

    id: uuid.UUID
    version: int


def obstacle(vm: VM, action: str) -> str:
    """Return why a VM would refuse now; empty if it would not.

    It reads what a list has joined: the VM's operation, and no more.
    """
    ask = ASKS[action]
    if vm.deleted_at is not None:
        return "It no longer exists."
    if vm.operation and vm.operation.is_live:
        return "An operation is under way."
    if not can_proceed(getattr(vm, ask.method)):
        other = " softly" if action == BatchAction.REBOOT else ""
        is_other = other and ask.action.verb in vm.allowed_actions
        return not_allowed(vm, ask.action.verb, other if is_other else "").detail
    if ask.method == "remove" and vm.delete_protection:
        return f"{DeleteProtected.title}."
    return ""


def begin(
    id: uuid.UUID, action: str, shown: Sequence[Shown], *, actor: Actor
) -> Batch | None:
    """Write a batch of VMs that exist; ``None`` if there is one with this id."""
    try:
        with transaction.atomic():
            batch = Batch.objects.create(
                id=id,
                action=action,
                asked=len(shown),
                requested_by=actor.name,
                request_id=actor.request_id,
            )
            BatchItem.objects.bulk_create(
                BatchItem(batch=batch, position=n, vm_id=vm.id, version=vm.version)
                for n, vm in enumerate(shown)
            )
    except IntegrityError:
        if Batch.objects.filter(pk=id).exists():
            return None
        raise
    return batch


def go_on(
    batch: Batch, *, actor: Actor, refused: Callable[[Problem, VM], str]
) -> list[BatchItem]:
    """Ask the VMs of a batch that were not asked; return the items that were refused.

    ``refused`` records a refusal and returns its words. Somebody waits for it: what
    there is no time for stays as it is, and the next call goes on with it.
    """
    until = time.monotonic() + SECONDS
    items = []
    for id in list(batch.items.not_asked().values_list("pk", flat=True)):
        item = _ask(batch, id, actor=actor, refused=refused)
        if item is not None:
            items.append(item)
        if time.monotonic() > until:
            break
    return items


def _ask(
    batch: Batch, id: int, *, actor: Actor, refused: Callable[[Problem, VM], str]
) -> BatchItem | None:
    """Ask one VM, unless somebody was faster; return its item if it is refused."""
    ask = ASKS[batch.action]
    with transaction.atomic():
        item = _locked(id)
        if item is None:
            return None
        try:
            with transaction.atomic():
                vm = ask.action.service(
                    item.vm,
                    actor=actor,
                    expect=_unchanged(item.version, ask.method),
                    **ask.arguments,
                )
        except Problem as error:
            problem = error
        else:
            _note(item, operation_id=vm.operation_id)
            return None
        _note(item, refusal=refused(problem, item.vm))
    return item


def _locked(id: int) -> BatchItem | None:
    unasked = BatchItem.objects.not_asked().select_related("vm")
    return unasked.select_for_update(no_key=True, of=("self",)).filter(pk=id).first()


def _note(item: BatchItem, **answer: Any) -> None:
    for name, value in {"asked_at": timezone.now(), **answer}.items():
        setattr(item, name, value)
    item.save(update_fields=["asked_at", *answer])


def _unchanged(version: int, method: str) -> Expect:
    """Expect a VM as it was shown: somebody decided by that."""

    def check(vm: VM) -> None:
        if vm.version == version:
            return
        vms.check(vm, method, expect=None)  # it tells more, if it refuses
        raise PreconditionFailed(
            f"It has changed since the preview, and is {vm.status} now.",
            version=vm.version,
        )

    return check


def numbers(batch: Batch) -> Numbers:
    return BatchItem.objects.numbers([batch.pk])[batch.pk]


def is_stalled(batch: Batch, numbers: Numbers) -> bool:
    """Whether VMs of it are to be asked, and nobody has asked one for a while."""
    last = numbers.asked_last or batch.created_at
    return bool(numbers.not_asked) and last < timezone.now() - STALLED


def failed(batch: Batch) -> list[uuid.UUID]:
    """Return the VMs of a batch whose operation failed."""
    items = batch.items.filter(operation__status=OperationStatus.FAILED)
    return list(items.values_list("vm", flat=True))
