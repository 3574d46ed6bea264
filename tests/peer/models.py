"""The tables."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tests.peer.database import Base

Document = JSON().with_variant(JSONB(), "postgresql")

ALLOWED_ACTIONS = {
    "ACTIVE": [
        *("stop", "reboot", "resize", "rebuild", "restore", "pause", "suspend"),
        *("shelve", "rescue", "snapshot"),
        *("attach-network", "detach-network", "set-security-groups", "delete"),
    ],
    "SHUTOFF": [
        *("start", "resize", "rebuild", "restore", "shelve", "rescue", "snapshot"),
        *("attach-network", "detach-network", "set-security-groups", "delete"),
    ],
    "PAUSED": ["reboot", "unpause", "shelve", "snapshot", "delete"],
    "SUSPENDED": ["reboot", "resume", "shelve", "snapshot", "delete"],
    "SHELVED_OFFLOADED": ["unshelve", "delete"],
    "RESCUE": ["unrescue", "delete"],
    "ERROR": ["delete"],
}


def now() -> datetime:
    return datetime.now(UTC)


class VM(Base):
    __tablename__ = "vms"
    __table_args__ = (
        Index("vms_by_creation", "created_at", "id"),
        Index("vms_by_status", "status", "created_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(default="")
    project: Mapped[uuid.UUID]
    cloud: Mapped[str] = mapped_column(String(64), default="default")
    status: Mapped[str] = mapped_column(String(32), default="ACTIVE")
    flavor: Mapped[str] = mapped_column(String(255))
    flavor_id: Mapped[uuid.UUID | None]
    vcpus: Mapped[int]
    ram_mb: Mapped[int]
    disk_gb: Mapped[int]
    image: Mapped[str] = mapped_column(String(255))
    image_id: Mapped[uuid.UUID | None]
    keypair: Mapped[str | None] = mapped_column(String(255))
    keypair_id: Mapped[uuid.UUID | None]
    labels: Mapped[dict[str, str]] = mapped_column(Document, default=dict)
    addresses: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    networks: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    security_groups: Mapped[list[dict[str, Any]]] = mapped_column(
        Document, default=list
    )
    delete_protection: Mapped[bool] = mapped_column(default=False)
    operation_id: Mapped[uuid.UUID | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(Document)
    version: Mapped[int] = mapped_column(default=1)
    observed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def allowed_actions(self) -> list[str]:
        return ALLOWED_ACTIONS[self.status]


class Snapshot(Base):
    __tablename__ = "snapshots"
    __table_args__ = (Index("snapshots_by_vm", "vm_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    vm_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("vms.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(32), default="AVAILABLE")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
