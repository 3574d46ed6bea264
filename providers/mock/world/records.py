"""Servers and their actions as rows of the mock's file, and the queries for them."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from providers.contract.flavors import Flavor
from providers.contract.servers import Address, Fault, Server, ServerAction
from providers.errors import Forbidden, InvalidRequest, NotFound
from providers.mock.world import catalog, ports
from providers.mock.world.lifecycle import DELETED_LINGERS, Plan
from providers.mock.world.seed import PROJECT
from providers.mock.world.state import (
    SECOND,
    Phase,
    api_status,
    current,
    dump,
    load,
    whole_second,
)

Row = sqlite3.Row


@dataclass(frozen=True, slots=True)
class Record:
    """A server as stored."""

    number: int
    id: str
    project: str
    name: str
    created_at: int
    visible_at: int
    locked: bool
    tags: frozenset[str]
    key_name: str | None
    plan: tuple[Phase, ...]

    def to_server(
        self,
        now: int,
        flavors: Mapping[str, Flavor],
        addresses: Mapping[str, tuple[Address, ...]],
    ) -> Server:
        """Return the server as the API shows it at ``now``."""
        phase = current(self.plan, now)
        flavor = flavors[phase.flavor_id]
        fault = None
        if phase.fault is not None and phase.vm_state in ("error", "deleted"):
            fault = Fault(code=500, message=phase.fault)
        created_at = whole_second(self.created_at * SECOND)
        return Server(
            id=self.id,
            name=self.name,
            status=api_status(phase),
            task_state=phase.task_state,
            created_at=created_at,
            updated_at=whole_second(phase.at),
            flavor_name=flavor.name,
            vcpus=flavor.vcpus,
            ram_mb=flavor.ram_mb,
            disk_gb=flavor.disk_gb,
            image_id=phase.image_id,
            addresses=addresses.get(self.id, ()) if phase.launched else (),
            tags=self.tags,
            fault=fault,
            locked=self.locked,
            key_name=self.key_name,
            # Whether it was is kept, not when.
            launched_at=created_at if phase.launched else None,
        )


def to_servers(
    db: sqlite3.Connection, records: Sequence[Record], now: int
) -> list[Server]:
    """Return servers as the API shows them at ``now``."""
    flavors = catalog.all_flavors(db)
    addresses = ports.addresses_of(db, [record.id for record in records])
    return [record.to_server(now, flavors, addresses) for record in records]


def to_record(row: sqlite3.Row) -> Record:
    """Return the record in a row of ``servers``."""
    return Record(
        number=row["number"],
        id=row["id"],
        project=row["project"],
        name=row["name"],
        created_at=row["created_at"],
        visible_at=row["visible_at"],
        locked=bool(row["locked"]),
        tags=frozenset(json.loads(row["tags"])),
        key_name=row["key_name"],
        plan=load(row["plan"]),
    )


def find_server(
    db: sqlite3.Connection, server_id: str, *, now: int, pace: float
) -> Record:
    """Return a server that the API shows to us at ``now``.

    Raises NotFound; Forbidden for another project's that has no host yet: Nova finds
    those before it looks whose they are.
    """
    row = db.execute("SELECT * FROM servers WHERE id = ?", (server_id,)).fetchone()
    record = None if row is None else to_record(row)
    if record is None or record.visible_at > now or _gone(record, now, pace):
        raise NotFound(f"Instance {server_id} could not be found.", status=404)
    if record.project != PROJECT:
        phase = current(record.plan, now)
        if phase.vm_state == "building" and not phase.on_host:
            words = "Policy doesn't allow os_compute_api:servers to be performed."
            raise Forbidden(words, status=403)
        raise NotFound(f"Instance {server_id} could not be found.", status=404)
    return record


def _gone(record: Record, now: int, pace: float) -> bool:
    phase = current(record.plan, now)
    lingers = int(DELETED_LINGERS * pace * SECOND)
    return phase.vm_state == "deleted" and now >= phase.at + lingers


def servers_page(
    db: sqlite3.Connection,
    *,
    marker: str | None,
    limit: int,
    now: int,
    since: int | None,
) -> tuple[list[Record], str | None]:
    """Return one page of our servers, newest first, and the marker of the next.

    ``since`` (whole seconds) narrows to servers updated at or after it and adds the
    deleted ones. The page is cut before the servers that only the clock excludes are
    dropped, so it may hold fewer than ``limit``.
    """
    where = ["project = ?", "visible_at <= ?"]
    values: list[object] = [PROJECT, now]
    index = "servers_by_age"
    if since is None:
        where.append("(deleted_at IS NULL OR deleted_at > ?)")
        values.append(now)
    else:
        # No later than its last phase can a server have changed: an index finds the
        # few candidates among any number of quiet servers.
        index = "servers_by_change"
        where.append("plan_ends_at >= ?")
        values.append(since * SECOND)
    if marker is not None:
        where.append("(created_at, id) < (?, ?)")
        values.extend(_position(db, marker))
    rows = db.execute(
        f"SELECT * FROM servers INDEXED BY {index} WHERE {' AND '.join(where)}"  # noqa: S608  # only our own words above
        " ORDER BY created_at DESC, id DESC LIMIT ?",
        (*values, limit),
    ).fetchall()
    records = [to_record(row) for row in rows]
    if since is not None:
        records = [r for r in records if current(r.plan, now).at // SECOND >= since]
    return records, rows[-1]["id"] if len(rows) == limit else None


def _position(db: sqlite3.Connection, marker: str) -> tuple[int, str]:
    row = db.execute(
        "SELECT created_at, id FROM servers WHERE id = ?", (marker,)
    ).fetchone()
    if row is None:
        raise InvalidRequest(f"marker [{marker}] not found", status=400)
    return row["created_at"], row["id"]


def servers_with_tag(db: sqlite3.Connection, tag: str, *, now: int) -> list[Record]:
    """Return our living servers that carry a tag, newest first."""
    rows = db.execute(
        "SELECT servers.* FROM servers JOIN server_tags ON server_id = id"
        " WHERE tag = ? AND project = ? AND visible_at <= ?"
        " AND (deleted_at IS NULL OR deleted_at > ?)"
        " ORDER BY created_at DESC, id DESC",
        (tag, PROJECT, now, now),
    )
    return [to_record(row) for row in rows]


def servers_with_ids(db: sqlite3.Connection, ids: Sequence[str]) -> list[Record]:
    """Return servers, whosever they are and whatever the clock says."""
    rows = db.execute(
        "SELECT servers.* FROM servers JOIN json_each(?) ON servers.id = value",
        (json.dumps(list(ids)),),
    )
    return [to_record(row) for row in rows]


def count_servers(db: sqlite3.Connection, *, now: int) -> int:
    """Return how many servers of ours count against the quota."""
    count: int = db.execute(
        "SELECT count(*) FROM servers WHERE project = ?"
        " AND (deleted_at IS NULL OR deleted_at > ?)",
        (PROJECT, now),
    ).fetchone()[0]
    return count


@dataclass(frozen=True, slots=True)
class NewServer:
    """What the caller of `add_servers` decides about a server."""

    id: str
    name: str
    #: Microseconds.
    created_at: int
    plan: tuple[Phase, ...]
    project: str = PROJECT
    tags: frozenset[str] = frozenset()
    metadata: Mapping[str, str] | None = None
    user_data: bytes = field(default=b"", repr=False)
    key_name: str | None = None
    #: Nova keeps it: the keypair may go.
    public_key: str | None = None
    #: Microseconds; ``None``: at once.
    visible_at: int | None = None


def add_servers(db: sqlite3.Connection, servers: list[NewServer]) -> None:
    """Insert servers."""
    db.executemany(
        "INSERT INTO servers (id, project, name, created_at, visible_at, tags,"
        " metadata, user_data, key_name, public_key, plan, plan_ends_at, deleted_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                server.id,
                server.project,
                server.name,
                server.created_at // SECOND,
                server.created_at if server.visible_at is None else server.visible_at,
                json.dumps(sorted(server.tags)),
                json.dumps(dict(server.metadata or {})),
                server.user_data,
                server.key_name,
                server.public_key,
                *_plan_columns(server.plan),
            )
            for server in servers
        ],
    )
    db.executemany(
        "INSERT INTO server_tags (tag, server_id) VALUES (?, ?)",
        [(tag, server.id) for server in servers for tag in server.tags],
    )


def save_plan(db: sqlite3.Connection, server_id: str, plan: tuple[Phase, ...]) -> None:
    """Replace what lies before a server."""
    db.execute(
        "UPDATE servers SET plan = ?, plan_ends_at = ?, deleted_at = ? WHERE id = ?",
        (*_plan_columns(plan), server_id),
    )
    ends = (p.at for p in plan if p.vm_state == "deleted" or p.has_failed_to_build)
    ports.release_at(db, server_id, next(ends, None))


def _plan_columns(plan: tuple[Phase, ...]) -> tuple[str, int, int | None]:
    deleted_at = next((p.at for p in plan if p.vm_state == "deleted"), None)
    return dump(plan), plan[-1].at, deleted_at


def add_action(
    db: sqlite3.Connection,
    server_id: str,
    plan: Plan,
    *,
    action: str,
    request_id: str,
    caller_request_id: str,
    now: int,
) -> None:
    """Record an accepted action; its end is known from its plan."""
    db.execute(
        "INSERT INTO actions (server_id, action, request_id, caller_request_id,"
        " started_at, finished_at, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            server_id,
            action,
            request_id,
            caller_request_id,
            now,
            plan.finished_at,
            plan.error,
        ),
    )


def actions_of(
    db: sqlite3.Connection, server_id: str, *, now: int
) -> list[ServerAction]:
    """Return the actions on a server, newest first."""
    rows = db.execute(
        "SELECT * FROM actions WHERE server_id = ? ORDER BY number DESC", (server_id,)
    )
    return [to_action(row, now) for row in rows]


def find_action(
    db: sqlite3.Connection, server_id: str, request_id: str, *, now: int
) -> ServerAction:
    """Return one action; NotFound for an unknown one."""
    row = db.execute(
        "SELECT * FROM actions WHERE server_id = ? AND request_id = ?",
        (server_id, request_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"Action {request_id} not found", status=404)
    return to_action(row, now)


def to_action(row: sqlite3.Row, now: int) -> ServerAction:
    finished = row["finished_at"] is not None and row["finished_at"] <= now
    return ServerAction(
        action=row["action"],
        request_id=row["request_id"],
        started_at=whole_second(row["started_at"]),
        finished=finished,
        error=row["error"] if finished else None,
    )
