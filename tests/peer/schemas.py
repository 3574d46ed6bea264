"""What is sent and what is answered."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class VMOut(Answer):
    id: uuid.UUID
    name: str
    description: str
    project: uuid.UUID
    cloud: str
    status: str
    flavor: str
    flavor_id: uuid.UUID | None
    vcpus: int
    ram_mb: int
    disk_gb: int
    image: str
    image_id: uuid.UUID | None
    keypair: str | None
    keypair_id: uuid.UUID | None
    labels: dict[str, str]
    addresses: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    security_groups: list[dict[str, Any]]
    delete_protection: bool
    allowed_actions: list[str]
    operation_id: uuid.UUID | None
    error: dict[str, Any] | None
    version: int
    observed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class VMPage(BaseModel):
    results: list[VMOut]
    next: str | None
    previous: str | None
    count: int | None


class VMCreate(BaseModel):
    name: str = Field(min_length=1, max_length=255)
    flavor: str
    image: str
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class Resize(BaseModel):
    flavor: str


class SnapshotOut(Answer):
    id: uuid.UUID
    vm_id: uuid.UUID
    name: str
    status: str
    created_at: datetime


class SnapshotPage(BaseModel):
    results: list[SnapshotOut]
    count: int


class SnapshotCreate(BaseModel):
    name: str = Field(min_length=1, max_length=255)


class Health(BaseModel):
    status: str
