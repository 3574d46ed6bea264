"""The mock from outside: demo data, misbehaviour, and the hands of an operator.

Nothing here is part of the contract. All of it is kept in the mock's file and so acts
on every process that uses the same file.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import get_args

from providers.contract.cloud import call_names
from providers.contract.flavors import Flavor
from providers.contract.images import Image
from providers.contract.servers import Server
from providers.errors import NotFound
from providers.mock.world import catalog, faults, ports, records
from providers.mock.world.network_controls import NetworkControls
from providers.mock.world.seed import PROJECT
from providers.mock.world.state import VM_STATE, Phase, current, microseconds


@dataclass(frozen=True, slots=True)
class SeedServer:
    """A settled server for `Controls.seed`."""

    name: str
    flavor_id: str
    image_id: str
    #: A status that lasts, such as ACTIVE, SHUTOFF or ERROR.
    status: str = "ACTIVE"
    tags: frozenset[str] = frozenset()
    #: ``None``: now.
    created_at: datetime | None = None
    #: Shown while the status is ERROR.
    fault: str | None = None
    #: Whether it ever ran; a server whose build failed did not.
    launched: bool = True
    #: ``None``: a new one.
    id: str | None = None
    #: Servers of another project are refused to us as Forbidden.
    project: str = PROJECT


class Controls(NetworkControls):
    """What tests, demos and operators may do to the mock cloud."""

    # Demo data

    def seed(self, servers: Iterable[SeedServer]) -> list[str]:
        """Add settled servers in one transaction and return their ids in order.

        Raises KeyError for a status that is none of `providers.mock.world.state.VM_STATE`.
        """
        now = self._now()
        new = [_to_new(server, now) for server in servers]
        with self._store.transaction() as db:
            records.add_servers(db, new)
            # One whose build failed has none any more.
            ports.add_default_ports(
                db, [s.id for s in new if not s.plan[0].has_failed_to_build]
            )
        return [server.id for server in new]

    def shown(self, ids: Sequence[str]) -> list[Server]:
        """Return servers by their ids, in order, as the API shows them now."""
        now, db = self._now(), self._store.connection()
        found = records.to_servers(db, records.servers_with_ids(db, ids), now)
        servers = {server.id: server for server in found}
        return [servers[id] for id in ids]

    def put_flavor(self, flavor: Flavor) -> None:
        """Offer a flavor, new or changed."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO flavors (id, name, vcpus, ram_mb, disk_gb)"
                " VALUES (:id, :name, :vcpus, :ram_mb, :disk_gb)",
                asdict(flavor),
            )

    def remove_flavor(self, flavor_id: str) -> None:
        """Offer a flavor no longer; servers that have it keep it."""
        with self._store.transaction() as db:
            db.execute("UPDATE flavors SET offered = 0 WHERE id = ?", (flavor_id,))

    def put_image(self, image: Image) -> None:
        """Offer an image, new or changed, at once active."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM images WHERE id = ?", (image.id,))
            catalog.add_image(db, image, saving_at=0, active_at=0, gone_at=None)

    def remove_image(self, image_id: str) -> None:
        """Remove an image, public or ours."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    # Misbehaviour

    def inject(
        self,
        op: str,
        *,
        kind: faults.Kind,
        match: str | None = None,
        times: int = 1,
        delay: float = 0.0,
        message: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        code: str = "",
    ) -> None:
        """Make the next ``times`` calls of ``op`` misbehave; 0 times means always.

        ``op`` is one of `providers.contract.cloud.call_names`, such as
        ``servers.stop``, or ``*``. ``match`` is a regular expression searched in "name
        id" of the server or image (a create has the name only); in the name of a
        keypair; in the tag for ``servers.find`` and ``images.list_snapshots``; in
        ``full`` or ``changes_since`` for ``servers.list_all``. Of Neutron's things it
        is "name marker id", as far as there are any, and then the other ids, and the
        address, that the call names (a create has no id of its own yet, a rule's
        those of its group); in the marker for a ``find``. ``servers.attach_port`` and
        ``servers.detach_port`` have the port after the server.

        Before the work:
          fail           raise the error of ``status`` as the service itself answers it
                         (400, 401, 403, 404, 409, 412, 413, 429, 500, 503; default
                         500) and, of Neutron, of this ``code``
          quota          raise QuotaExceeded
          refuse         raise Unreachable: nobody listens
          drop           raise Unavailable: the connection breaks, or a proxy answers
                         with ``status`` (502, 503, 504)
          hang           sleep ``delay`` seconds (at most call_timeout), raise Timeout
          die_before     kill this process
        Around it:
          slow           sleep ``delay`` seconds, then work as always
          truncate       servers.list_all raises like ``fail`` after its first page
        In its result:
          hidden         a new server, or what a create of Neutron made, cannot be seen
                         for ``delay`` seconds
          build_error    a new server ends in ERROR with ``message`` as fault
          fail_async     accepted, then it fails as this verb does in Nova; an attach
                         is told so: Unavailable
          half           routers.create raises Timeout, and left a router without its
                         gateway, as when Neutron is killed in the middle
          stuck          accepted, then it never ends; an attach raises Unavailable, and
                         the port has the server
        After it:
          die_after      kill this process
          lose_response  sleep ``delay`` seconds, raise Timeout, or what a proxy's
                         ``status`` (502, 503, 504) means

        ``retry_after`` is the pause that the answer asks for.
        Faults of different kinds act together on one call; of one kind, and of those
        that end a call before its work, one after the other. Raises ValueError for
        what cannot act.
        """
        if op != "*" and op not in call_names():
            raise ValueError(f"{op!r} is no call to a cloud")
        if kind not in get_args(faults.Kind):
            raise ValueError(f"{kind!r} is no kind of fault")
        faults.check_status(kind, status)
        faults.check_kind(op, kind)
        if match is not None:
            re.compile(match)
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO faults"
                " (op, kind, match, times, delay, message, status, retry_after, code)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (op, kind, match, times, delay, message, status, retry_after, code),
            )

    def clear_faults(self) -> None:
        """Forget every injected fault; what they did stays done."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM faults")

    def pending_faults(self) -> int:
        """Return how many injected faults are not used up."""
        count: int = (
            self._store.connection()
            .execute("SELECT count(*) FROM faults")
            .fetchone()[0]
        )
        return count

    def call_counts(self) -> dict[str, int]:
        """Return how often each call was made, by all processes together."""
        rows = self._store.connection().execute("SELECT op, n FROM calls ORDER BY op")
        return {row["op"]: row["n"] for row in rows}

    def reset_counts(self) -> None:
        """Count from zero."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM calls")

    # The outside world

    def poke(
        self,
        server_id: str,
        *,
        status: str | None = None,
        task_state: str | None = None,
        fault: str | None = None,
        flavor_id: str | None = None,
        name: str | None = None,
    ) -> None:
        """Change a server from outside, whatever it is doing.

        What it was doing is dropped. Raises KeyError for an unknown status.
        """
        now = self._now()
        with self._store.transaction() as db:
            phase = current(self._record(server_id).plan, now)
            poked = replace(phase, at=now, task_state=task_state, confirming=False)
            if status is not None:
                poked = _in_status(poked, status)
            if fault is not None:
                poked = replace(poked, fault=fault)
            if flavor_id is not None:
                poked = replace(poked, flavor_id=flavor_id)
            if name is not None:
                db.execute(
                    "UPDATE servers SET name = ? WHERE id = ?", (name, server_id)
                )
            records.save_plan(db, server_id, (poked,))

    def vanish(self, server_id: str) -> None:
        """Remove every trace of a server; not even ``changes_since`` mentions it."""
        with self._store.transaction() as db:
            self._record(server_id)
            ports.release_at(db, server_id, self._now())
            db.execute("DELETE FROM servers WHERE id = ?", (server_id,))
            db.execute("DELETE FROM server_tags WHERE server_id = ?", (server_id,))
            db.execute("DELETE FROM actions WHERE server_id = ?", (server_id,))

    def lock(self, server_id: str) -> None:
        """Lock a server, as an operator does; Nova then refuses its owner."""
        self._set_lock(server_id, locked=True)

    def unlock(self, server_id: str) -> None:
        """Unlock a server."""
        self._set_lock(server_id, locked=False)

    def user_data(self, server_id: str) -> bytes:
        """Return the user data that a server was created with."""
        return bytes(self._row(server_id)["user_data"])

    def public_key(self, server_id: str) -> str | None:
        """Return the public key that a server was created with."""
        key: str | None = self._row(server_id)["public_key"]
        return key

    def logged_actions(self, caller_request_id: str) -> list[str]:
        """Return Nova's words for the actions logged under a request id of ours."""
        rows = self._store.connection().execute(
            "SELECT action FROM actions WHERE caller_request_id = ? ORDER BY number",
            (caller_request_id,),
        )
        return [row["action"] for row in rows]

    def _set_lock(self, server_id: str, *, locked: bool) -> None:
        now = self._now()
        with self._store.transaction() as db:
            plan = self._record(server_id).plan
            here = replace(current(plan, now), at=now)
            ahead = tuple(phase for phase in plan if phase.at > now)
            records.save_plan(db, server_id, (here, *ahead))
            db.execute(
                "UPDATE servers SET locked = ? WHERE id = ?", (locked, server_id)
            )

    def _record(self, server_id: str) -> records.Record:
        return records.to_record(self._row(server_id))

    def _row(self, server_id: str) -> records.Row:
        row: records.Row | None = (
            self._store.connection()
            .execute("SELECT * FROM servers WHERE id = ?", (server_id,))
            .fetchone()
        )
        if row is None:
            raise NotFound(f"Instance {server_id} could not be found.", status=404)
        return row


def _to_new(server: SeedServer, now: int) -> records.NewServer:
    created = now if server.created_at is None else microseconds(server.created_at)
    phase = Phase(
        at=created,
        vm_state="active",
        task_state=None,
        flavor_id=server.flavor_id,
        image_id=server.image_id,
        fault=server.fault,
    )
    phase = _in_status(phase, server.status)
    if not server.launched:
        phase = replace(phase, launched=False, on_host=False)
    return records.NewServer(
        id=server.id or str(uuid.uuid4()),
        name=server.name,
        created_at=created,
        plan=(phase,),
        project=server.project,
        tags=server.tags,
    )


def _in_status(phase: Phase, status: str) -> Phase:
    vm_state = VM_STATE[status]
    return replace(
        phase,
        vm_state=vm_state,
        launched=vm_state != "building" and (phase.launched or vm_state != "error"),
        on_host=vm_state not in ("building", "shelved_offloaded")
        and (phase.on_host or vm_state != "error"),
        old_flavor_id=phase.flavor_id if vm_state == "resized" else None,
    )
