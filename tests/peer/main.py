"""A VM service on FastAPI, SQLAlchemy and pydantic, as their documentation shows it.

What `make bench` compares this service with: the same fields, and nothing that costs
beside them: no authentication, no limits, no ETags, no operations, no events. It runs in
an environment of its own and is never imported.
"""

import base64
import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query
from sqlalchemy import func, select, tuple_

from tests.peer.database import DatabaseSession
from tests.peer.models import VM, Snapshot, now
from tests.peer.schemas import (
    Health,
    Resize,
    SnapshotCreate,
    SnapshotOut,
    SnapshotPage,
    VMCreate,
    VMOut,
    VMPage,
)

DEFAULT_PROJECT = uuid.UUID(int=1)
#: Name -> vCPUs, MiB of memory, GiB of disk.
FLAVORS = {
    "m1.tiny": (1, 512, 1),
    "m1.small": (1, 2048, 20),
    "m1.medium": (2, 4096, 40),
}

Page = Annotated[int, Query(ge=1, le=10_000)]
PerPage = Annotated[int, Query(ge=1, le=100)]

app = FastAPI()
router = APIRouter(prefix="/api/v1")


@app.get("/health")
def health() -> Health:
    return Health(status="ok")


@router.post("/vms", response_model=VMOut, status_code=201)
def create_vm(body: VMCreate, session: DatabaseSession) -> VM:
    vcpus, ram_mb, disk_gb = find_flavor(body.flavor)
    vm = VM(
        **body.model_dump(),
        project=DEFAULT_PROJECT,
        vcpus=vcpus,
        ram_mb=ram_mb,
        disk_gb=disk_gb,
    )
    session.add(vm)
    session.commit()
    return vm


@router.get("/vms", response_model=VMPage)
def list_vms(
    session: DatabaseSession,
    page: Page = 1,
    per_page: PerPage = 20,
    cursor: str | None = None,
    status: str | None = None,
) -> dict[str, object]:
    """List by number, with a count, or by cursor, without one."""
    vms = select(VM).order_by(VM.created_at.desc(), VM.id.desc())
    counted = select(func.count()).select_from(VM)
    if status is not None:
        vms, counted = (
            vms.where(VM.status == status),
            counted.where(VM.status == status),
        )
    if cursor is not None:
        if cursor:
            vms = vms.where(tuple_(VM.created_at, VM.id) < tuple_(*read_cursor(cursor)))
        rows = session.scalars(vms.limit(per_page + 1)).all()
        results = rows[:per_page]
        more = len(rows) > per_page
        return {
            "results": results,
            "next": f"?cursor={write_cursor(results[-1])}" if more else None,
            "previous": None,
            "count": None,
        }
    count = session.scalar(counted) or 0
    results = session.scalars(vms.limit(per_page).offset((page - 1) * per_page)).all()
    return {
        "results": results,
        "next": f"?page={page + 1}" if page * per_page < count else None,
        "previous": f"?page={page - 1}" if page > 1 else None,
        "count": count,
    }


@router.get("/vms/{vm_id}", response_model=VMOut)
def get_vm(vm_id: uuid.UUID, session: DatabaseSession) -> VM:
    vm = session.get(VM, vm_id)
    if vm is None:
        raise HTTPException(404, "No such VM.")
    return vm


@router.delete("/vms/{vm_id}", status_code=204)
def delete_vm(vm_id: uuid.UUID, session: DatabaseSession) -> None:
    session.delete(get_vm(vm_id, session))
    session.commit()


@router.post("/vms/{vm_id}/actions/start", response_model=VMOut)
def start_vm(vm_id: uuid.UUID, session: DatabaseSession) -> VM:
    return change(vm_id, session, starts={"SHUTOFF"}, ends="ACTIVE")


@router.post("/vms/{vm_id}/actions/stop", response_model=VMOut)
def stop_vm(vm_id: uuid.UUID, session: DatabaseSession) -> VM:
    return change(vm_id, session, starts={"ACTIVE"}, ends="SHUTOFF")


@router.post("/vms/{vm_id}/actions/reboot", response_model=VMOut)
def reboot_vm(vm_id: uuid.UUID, session: DatabaseSession) -> VM:
    return change(vm_id, session, starts={"ACTIVE"}, ends="ACTIVE")


@router.post("/vms/{vm_id}/actions/resize", response_model=VMOut)
def resize_vm(vm_id: uuid.UUID, body: Resize, session: DatabaseSession) -> VM:
    size = find_flavor(body.flavor)
    return change(
        vm_id,
        session,
        starts={"ACTIVE", "SHUTOFF"},
        ends="ACTIVE",
        flavor=body.flavor,
        size=size,
    )


@router.post("/vms/{vm_id}/snapshots", response_model=SnapshotOut, status_code=201)
def create_snapshot(
    vm_id: uuid.UUID, body: SnapshotCreate, session: DatabaseSession
) -> Snapshot:
    vm = get_vm(vm_id, session)
    snapshot = Snapshot(vm_id=vm.id, name=body.name)
    session.add(snapshot)
    session.commit()
    return snapshot


@router.get("/vms/{vm_id}/snapshots", response_model=SnapshotPage)
def list_snapshots(
    vm_id: uuid.UUID,
    session: DatabaseSession,
    page: Page = 1,
    per_page: PerPage = 20,
) -> dict[str, object]:
    get_vm(vm_id, session)
    its = Snapshot.vm_id == vm_id
    rows = (
        select(Snapshot)
        .where(its)
        .order_by(Snapshot.created_at.desc(), Snapshot.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    )
    count = session.scalar(select(func.count()).select_from(Snapshot).where(its))
    return {"results": session.scalars(rows).all(), "count": count}


def change(
    vm_id: uuid.UUID,
    session: DatabaseSession,
    *,
    starts: set[str],
    ends: str,
    flavor: str | None = None,
    size: tuple[int, int, int] | None = None,
) -> VM:
    """Change a status under the row's lock, at once."""
    vm = session.get(VM, vm_id, with_for_update=True)
    if vm is None:
        raise HTTPException(404, "No such VM.")
    if vm.status not in starts:
        raise HTTPException(409, f"Not possible while it is {vm.status}.")
    vm.status = ends
    if flavor is not None and size is not None:
        vm.flavor, (vm.vcpus, vm.ram_mb, vm.disk_gb) = flavor, size
    vm.version += 1
    vm.updated_at = now()
    session.commit()
    return vm


def find_flavor(name: str) -> tuple[int, int, int]:
    if name not in FLAVORS:
        raise HTTPException(422, f"No such flavor: {name}.")
    return FLAVORS[name]


def write_cursor(vm: VM) -> str:
    text = f"{vm.created_at.isoformat()}|{vm.id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        created_at, _, vm_id = base64.urlsafe_b64decode(cursor).decode().partition("|")
        return datetime.fromisoformat(created_at), uuid.UUID(vm_id)
    except ValueError as error:
        raise HTTPException(422, "No such cursor.") from error


app.include_router(router)
