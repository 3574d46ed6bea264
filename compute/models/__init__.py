"""What things are, and which changes are legal."""

from compute.models.catalog import Flavor, Image
from compute.models.cloud import Cloud
from compute.models.event import Event
from compute.models.operation import Operation, OperationStatus, OperationType
from compute.models.project import Membership, Project, Role
from compute.models.snapshot import Snapshot, SnapshotStatus
from compute.models.user import User
from compute.models.vm import VM, VMStatus

__all__ = [
    "VM",
    "Cloud",
    "Event",
    "Flavor",
    "Image",
    "Membership",
    "Operation",
    "OperationStatus",
    "OperationType",
    "Project",
    "Role",
    "Snapshot",
    "SnapshotStatus",
    "User",
    "VMStatus",
]
