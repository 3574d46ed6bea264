"""The list of what is done for each type of operation."""

from compute.models import OperationType
from compute.works import WORKS


def test_every_type_of_operation_has_its_work() -> None:
    assert set(WORKS) == set(OperationType)


def test_creates_alone_can_be_undone() -> None:
    undoable = {type for type, work in WORKS.items() if work.undoable}
    assert undoable == {
        OperationType.VM_CREATE,
        OperationType.NETWORK_CREATE,
        OperationType.FLOATING_IP_CREATE,
        OperationType.SECURITY_GROUP_CREATE,
    }
