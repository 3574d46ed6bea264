"""The state table, written out once more, against the decorators that are the table."""

from typing import Any

import pytest
from django_fsm import can_proceed

from compute.models import VM, Operation, OperationStatus, VMStatus
from compute.models.lifecycle import MOVING, RESTING, STABLE
from compute.models.vm import ACTIONS, VERBS
from tests.support.lifecycle import ACTIONS_FROM, STATUSES, TABLE
from tests.support.provider_verbs import NOVA_GUARDS, VM_STATE_OF_STATUS

#: Without a server nearly nothing is offered: see the last test.
SERVER = {"server_id": "6a1f6b0e-5a55-4a5e-8d7e-2f6d3c1b0a99"}
CELLS = [(status, method) for status in STATUSES for method in TABLE]

#: Our verb -> the function that guards it in Nova.
#: Nova is not asked for these.
NEUTRONS = {"set_security_groups"}
GUARD_OF = {
    "attach_network": "attach_interface",
    "detach_network": "detach_interface",
    "reboot": "_soft_reboot",
    "reboot_hard": "_hard_reboot",
    "restore": "rebuild",
    "remove": "delete",
}
#: What we permit and Nova refuses, and why that is right.
DEVIATIONS: dict[tuple[str, str], str] = {}


def test_the_statuses_are_the_published_ones() -> None:
    assert set(VMStatus) == set(STATUSES)
    assert set(STABLE) | set(MOVING) == set(VMStatus)
    assert not set(STABLE) & set(MOVING)
    assert set(RESTING) == set(STABLE) - {"DELETED"}


def test_every_verb_is_in_the_table_and_no_other() -> None:
    assert set(VERBS) == set(TABLE)


@pytest.mark.parametrize(("status", "method"), CELLS)
def test_a_cell_of_the_table_is_as_written(status: str, method: str) -> None:
    row, verb = TABLE[method], VERBS[method]
    assert verb.action == row.action
    assert verb.via == row.via
    assert verb.ends.get(VMStatus(status)) == row.ends.get(status)


@pytest.mark.parametrize(("status", "method"), CELLS)
def test_a_transition_is_legal_exactly_where_the_table_says(
    status: str, method: str
) -> None:
    row = TABLE[method]
    transitions = {
        t.name
        for t in VM(status=status, **SERVER).get_available_status_transitions()  # type: ignore[attr-defined]  # made by FSMField
    }
    assert (method in transitions) == (status in row.ends)
    if status in row.ends:
        vm = VM(status=status, **SERVER)
        getattr(vm, method)()
        assert vm.status == (row.via or status)


@pytest.mark.parametrize("status", STATUSES)
def test_allowed_actions_are_those_of_the_status(status: str) -> None:
    assert set(VM(status=status, **SERVER).allowed_actions) == ACTIONS_FROM[status]
    assert len(ACTIONS[VMStatus(status), False]) == len(ACTIONS_FROM[status])


@pytest.mark.parametrize("status", STATUSES)
def test_a_protected_vm_offers_all_but_delete(status: str) -> None:
    vm = VM(status=status, delete_protection=True, **SERVER)
    assert set(vm.allowed_actions) == ACTIONS_FROM[status] - {"delete"}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("operation", OperationStatus)
def test_a_busy_vm_offers_nothing(status: str, operation: str) -> None:
    vm = VM(status=status, operation=Operation(status=operation), **SERVER)
    live = operation in ("PENDING", "RUNNING")
    assert set(vm.allowed_actions) == (set() if live else ACTIONS_FROM[status])


@pytest.mark.parametrize("status", STATUSES)
def test_nothing_starts_from_a_status_that_moves(status: str) -> None:
    if status in MOVING or status == "DELETED":
        assert not ACTIONS_FROM[status]
    else:
        assert "delete" in ACTIONS_FROM[status]


@pytest.mark.parametrize(
    ("status", "method"),
    [
        (status, method)
        for method, row in TABLE.items()
        for status in row.ends
        if method not in NEUTRONS
    ],
)
def test_nova_permits_what_we_permit(status: str, method: str) -> None:
    permitted = NOVA_GUARDS[GUARD_OF.get(method, method)]["permit"]["vm_state"]
    state = VM_STATE_OF_STATUS.get(status, status)
    nova = permitted == "any" or state in permitted
    assert nova or (status, method) in DEVIATIONS


def test_no_deviation_from_nova_is_listed_in_vain() -> None:
    for status, method in DEVIATIONS:
        assert status in TABLE[method].ends


def test_every_moving_status_belongs_to_one_action() -> None:
    moved = [row.via for row in TABLE.values() if row.via]
    assert {*moved, "BUILD"} == set(MOVING)
    assert sorted(moved) == sorted([*set(moved), "REBOOT"])  # soft and hard share it


@pytest.mark.parametrize(
    "lost",
    [
        {"server_id": ""},
        {**SERVER, "observed_status": "DELETED"},
        {**SERVER, "observed_status": "ERROR", "never_launched": True},
    ],
    ids=["never-made", "gone", "never-launched"],
)
@pytest.mark.parametrize("protected", [False, True])
def test_without_a_launched_server_a_vm_can_only_be_deleted(
    lost: dict[str, Any], protected: bool
) -> None:
    vm = VM(status="ERROR", delete_protection=protected, **lost)
    assert vm.allowed_actions == (() if protected else ("delete",))
    assert [t.name for t in vm.get_available_status_transitions() if t.custom] == [  # type: ignore[attr-defined]  # made by FSMField
        "remove"
    ]


@pytest.mark.parametrize("status", STATUSES)
def test_nova_deletes_a_server_that_was_never_launched_and_nothing_else(
    status: str,
) -> None:
    launched = VM(status=status, **SERVER)
    vm = VM(status=status, never_launched=True, **SERVER)
    assert vm.allowed_actions == tuple(
        name for name in launched.allowed_actions if name == "delete"
    )
    assert not any(can_proceed(getattr(vm, name)) for name in TABLE if name != "remove")


def test_nova_wants_a_launched_server_for_all_we_refuse_without_one() -> None:
    for method in TABLE.keys() - NEUTRONS:
        permit = NOVA_GUARDS[GUARD_OF.get(method, method)]["permit"]
        assert permit["must_have_launched"] == (method != "remove")
