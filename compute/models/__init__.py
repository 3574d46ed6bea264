"""What things are, and which changes are legal."""

from compute.models.api_token import APIToken
from compute.models.batch import Batch, BatchAction, BatchItem
from compute.models.catalog import Flavor, Image
from compute.models.cloud import Cloud, CloudService
from compute.models.event import Event, Outcome
from compute.models.floating_ip import FloatingIP
from compute.models.idempotency import IdempotencyKey
from compute.models.keypair import Keypair
from compute.models.lifecycle import VMStatus
from compute.models.login import Login, LoginKind
from compute.models.network import Network, Port, Subnet
from compute.models.network_resource import NetworkResource, ResourceStatus
from compute.models.operation import (
    Occupation,
    Operation,
    OperationStatus,
    OperationType,
)
from compute.models.project import Membership, Project, Role
from compute.models.quota import Quota, Resource
from compute.models.repeat import Repeat
from compute.models.router import Router
from compute.models.security_group import (
    Direction,
    SecurityGroup,
    SecurityGroupRule,
)
from compute.models.snapshot import Snapshot, SnapshotStatus
from compute.models.stream_ticket import StreamTicket
from compute.models.user import User
from compute.models.vm import VM
from compute.models.vm_queries import UserDataEncoding
from compute.models.webhook import Delivery, DeliveryStatus, Webhook

__all__ = [
    "VM",
    "APIToken",
    "Batch",
    "BatchAction",
    "BatchItem",
    "Cloud",
    "CloudService",
    "Delivery",
    "DeliveryStatus",
    "Direction",
    "Event",
    "Flavor",
    "FloatingIP",
    "IdempotencyKey",
    "Image",
    "Keypair",
    "Login",
    "LoginKind",
    "Membership",
    "Network",
    "NetworkResource",
    "Occupation",
    "Operation",
    "OperationStatus",
    "OperationType",
    "Outcome",
    "Port",
    "Project",
    "Quota",
    "Repeat",
    "Resource",
    "ResourceStatus",
    "Role",
    "Router",
    "SecurityGroup",
    "SecurityGroupRule",
    "Snapshot",
    "SnapshotStatus",
    "StreamTicket",
    "Subnet",
    "User",
    "UserDataEncoding",
    "VMStatus",
    "Webhook",
]
