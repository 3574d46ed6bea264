"""The contract, kept by the mock cloud."""

import uuid
from dataclasses import replace
from datetime import datetime

from providers.base import Image, Provider, Receipt, Server, ServerAction, ServerSpec
from providers.errors import InvalidRequest, QuotaExceeded
from providers.mock.images import Images
from providers.mock.ports import Ports
from providers.mock.world import lifecycle, records
from providers.mock.world.console import boot_log
from providers.mock.world.faults import Call
from providers.mock.world.guards import GUARDS, check, check_host
from providers.mock.world.lifecycle import Plan, Verb
from providers.mock.world.records import Record
from providers.mock.world.requests import check_name, check_room, check_spec
from providers.mock.world.seed import GIB
from providers.mock.world.state import Phase, current


class MockProvider(Images, Ports, Provider):
    """A cloud of imagined servers that behaves as Nova and Glance do.

    Options: ``path``, the SQLite file that is the cloud; ``delay``, a factor on the
    duration of every action (1 is about a small real OpenStack, 0 ends everything at
    once); ``page_size`` of listings; ``quota``, the number of servers (0: no limit).
    ``clock`` is for tests that move time. What is not in the contract of a provider is
    in `providers.mock.world.controls`.
    """

    # Reading servers

    def list_servers(self, *, changes_since: datetime | None = None) -> list[Server]:
        """Return every server of our project, from every page of the listing."""
        subject = "full" if changes_since is None else "changes_since"
        with self._call("list_servers", subject=subject) as call:
            servers, marker = self._page(None, self._page_size, changes_since)
            call.turn_page()
            while marker is not None:
                page, marker = self._page(marker, self._page_size, changes_since)
                servers += page
            return servers

    def _page(
        self, marker: str | None, limit: int, changes_since: datetime | None
    ) -> tuple[list[Server], str | None]:
        since = None if changes_since is None else int(changes_since.timestamp())
        now = self._now()
        db = self._store.connection()
        found, following = records.servers_page(
            db, marker=marker, limit=limit, now=now, since=since
        )
        flavors = records.all_flavors(db)
        return [record.to_server(now, flavors) for record in found], following

    def get_server(self, server_id: str) -> Server:
        """Return one server."""
        with self._call("get_server", server_id=server_id):
            return self._read(server_id)

    def _read(self, server_id: str) -> Server:
        db = self._store.connection()
        now = self._now()
        record = records.find_server(db, server_id, now=now, pace=self._pace)
        return record.to_server(now, records.all_flavors(db))

    def find_servers(self, *, tag: str) -> list[Server]:
        """Return the servers created with ``tag``."""
        with self._call("find_servers", subject=tag):
            db = self._store.connection()
            now = self._now()
            flavors = records.all_flavors(db)
            found = records.servers_with_tag(db, tag, now=now)
            return [record.to_server(now, flavors) for record in found]

    def list_actions(self, server_id: str) -> list[ServerAction]:
        """Return the cloud's records of the actions on a server, newest first."""
        with self._call("list_actions", server_id=server_id):
            now = self._now()
            db = self._store.connection()
            actions = records.actions_of(db, server_id, now=now)
            if not actions:  # seeded, unknown or another project's
                records.find_server(db, server_id, now=now, pace=self._pace)
            # Nova's list leaves out the events, which alone tell of an end.
            return [replace(action, finished=False) for action in actions]

    def get_action(self, server_id: str, request_id: str) -> ServerAction:
        """Return the cloud's record of one action, and whether it has finished."""
        with self._call("get_action", server_id=server_id):
            db = self._store.connection()
            return records.find_action(db, server_id, request_id, now=self._now())

    def get_console_log(
        self, server_id: str, *, lines: int, timeout: float | None = None
    ) -> str:
        """Return the last ``lines`` lines of the serial console."""
        with self._call("get_console_log", server_id=server_id, timeout=timeout):
            now = self._now()
            record = records.find_server(
                self._store.connection(), server_id, now=now, pace=self._pace
            )
            check_host(current(record.plan, now), server_id)
            return boot_log(self._read(server_id), lines=lines)

    # Changing servers

    def create_server(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        """Create a server; ``created_id`` is its id."""
        with self._call("create_server", subject=spec.name) as call:
            check_spec(spec)
            server_id = str(uuid.uuid4())
            now = self._now()
            with self._store.transaction() as db:
                flavor = records.offered_flavors(db).get(spec.flavor_id)
                if flavor is None:
                    raise InvalidRequest(
                        f"Flavor {spec.flavor_id} could not be found.", status=400
                    )
                image = self._bootable_image(
                    spec.image_id, "Can not find requested image"
                )
                check_room(image, flavor)
                self._check_quota(records.count_servers(db, now=now))
                plan = self._build(spec, call, now)
                hidden = call.faults.get("hidden")
                server = records.NewServer(
                    id=server_id,
                    name=spec.name,
                    created_at=now,
                    plan=plan.phases,
                    tags=frozenset({spec.tag}),
                    metadata=spec.metadata,
                    user_data=spec.user_data,
                    visible_at=now + int(hidden.delay * 1e6) if hidden else None,
                )
                records.add_servers(db, [server])
                records.add_action(
                    db,
                    server_id,
                    plan,
                    action="create",
                    request_id=call.request_id,
                    caller_request_id=request_id,
                    now=now,
                )
            return Receipt(request_id=call.request_id, created_id=server_id)

    def _build(self, spec: ServerSpec, call: Call, now: int) -> Plan:
        phase = Phase(
            at=now,
            vm_state="building",
            task_state="scheduling",
            flavor_id=spec.flavor_id,
            image_id=spec.image_id,
            launched=False,
            on_host=False,
        )
        plan = lifecycle.run(lifecycle.build(phase), now=now, pace=self._pace)
        fault = call.faults.get("build_error") or call.faults.get("fail_async")
        if fault is not None:
            failed = phase.failed(fault.message or lifecycle.NO_HOST)
            return lifecycle.fail(plan, ends_as=failed)
        return lifecycle.stick(plan) if "stuck" in call.faults else plan

    def _check_quota(self, used: int) -> None:
        if self._quota and used >= self._quota:
            raise QuotaExceeded(
                "Quota exceeded for instances: Requested 1, but already used"
                f" {used} of {self._quota} instances",
                status=403,
            )

    def delete_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Delete a server; repeating it while it is being deleted succeeds."""
        with self._call("delete_server", server_id=server_id) as call:
            with self._store.transaction() as db:
                now = self._now()
                record = records.find_server(db, server_id, now=now, pace=self._pace)
                phase = current(record.plan, now)
                actions = records.actions_of(db, server_id, now=now)
                # One that Nova began and failed at at once can be asked for again.
                begun = any(action.action == "delete" for action in actions)
                deleting = phase.task_state == "deleting" and begun
                if not (deleting or phase.vm_state == "deleted") or record.locked:
                    self._apply(record, lifecycle.DELETE, call, request_id, now)
                    records.drop_unfinished_images(db, server_id, now)
            return Receipt(request_id=call.request_id)

    def start_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power on a SHUTOFF server."""
        return self._act("start_server", server_id, lifecycle.START, request_id)

    def stop_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power off an ACTIVE or ERROR server."""
        return self._act("stop_server", server_id, lifecycle.STOP, request_id)

    def reboot_server(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        """Reboot a server: soft from ACTIVE only, hard from nearly anywhere."""
        verb = lifecycle.HARD_REBOOT if hard else lifecycle.SOFT_REBOOT
        return self._act("reboot_server", server_id, verb, request_id)

    def resize_server(
        self, server_id: str, *, flavor_id: str, request_id: str
    ) -> Receipt:
        """Resize an ACTIVE or SHUTOFF server; it then waits in VERIFY_RESIZE."""

        def steps(phase: Phase) -> lifecycle.Steps:
            db = self._store.connection()
            flavor = records.offered_flavors(db).get(flavor_id)
            if flavor is None:
                raise InvalidRequest(
                    f"Flavor {flavor_id} could not be found.", status=400
                )
            return lifecycle.resize(
                phase, old=records.all_flavors(db)[phase.flavor_id], new=flavor
            )

        verb = Verb("resize", "resize", steps)
        return self._act("resize_server", server_id, verb, request_id)

    def confirm_resize(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep the new size of a VERIFY_RESIZE server."""
        return self._act(
            "confirm_resize", server_id, lifecycle.CONFIRM_RESIZE, request_id
        )

    def rebuild_server(
        self, server_id: str, *, image_id: str, request_id: str
    ) -> Receipt:
        """Replace the disk of a server by an image; a server that was off stays off."""

        def steps(phase: Phase) -> lifecycle.Steps:
            image = self._bootable_image(image_id, "Cannot find image for rebuild")
            flavors = records.all_flavors(self._store.connection())
            check_room(image, flavors[phase.flavor_id])
            return lifecycle.rebuild(phase, image_id=image_id)

        verb = Verb("rebuild", "rebuild", steps, breaks=True)
        return self._act("rebuild_server", server_id, verb, request_id)

    def pause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Freeze an ACTIVE server in memory."""
        return self._act("pause_server", server_id, lifecycle.PAUSE, request_id)

    def unpause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a PAUSED server."""
        return self._act("unpause_server", server_id, lifecycle.UNPAUSE, request_id)

    def suspend_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Save an ACTIVE server's memory to disk and turn it off."""
        return self._act("suspend_server", server_id, lifecycle.SUSPEND, request_id)

    def resume_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a SUSPENDED server."""
        return self._act("resume_server", server_id, lifecycle.RESUME, request_id)

    def shelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep a server as an image only; it ends SHELVED_OFFLOADED."""
        return self._act("shelve_server", server_id, lifecycle.SHELVE, request_id)

    def unshelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Bring a shelved server back; it ends ACTIVE."""
        return self._act("unshelve_server", server_id, lifecycle.UNSHELVE, request_id)

    def rescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Boot an ACTIVE, SHUTOFF or ERROR server from a rescue image."""
        return self._act("rescue_server", server_id, lifecycle.RESCUE, request_id)

    def unrescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """End the rescue; the server ends ACTIVE."""
        return self._act("unrescue_server", server_id, lifecycle.UNRESCUE, request_id)

    def _act(self, op: str, server_id: str, verb: Verb, request_id: str) -> Receipt:
        with self._call(op, server_id=server_id) as call:
            with self._store.transaction() as db:
                now = self._now()
                record = records.find_server(db, server_id, now=now, pace=self._pace)
                self._apply(record, verb, call, request_id, now)
            return Receipt(request_id=call.request_id)

    def _apply(
        self, record: Record, verb: Verb, call: Call, caller_request_id: str, now: int
    ) -> Plan:
        """Accept or refuse a verb, inside a transaction of this thread."""
        phase = current(record.plan, now)
        check(
            GUARDS[verb.guard],
            phase,
            server_id=record.id,
            locked=record.locked,
            action=verb.action,
        )
        plan = lifecycle.run(verb.steps(phase), now=now, pace=self._pace)
        if "fail_async" in call.faults:
            plan = lifecycle.fail_verb(
                plan, verb, was=phase, message=call.faults["fail_async"].message
            )
        elif "stuck" in call.faults:
            plan = lifecycle.stick(plan)
        db = self._store.connection()
        records.save_plan(db, record.id, plan.phases)
        records.add_action(
            db,
            record.id,
            plan,
            action=verb.action,
            request_id=call.request_id,
            caller_request_id=caller_request_id,
            now=now,
        )
        return plan

    # Snapshots

    def snapshot_server(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        """Make an image of a server; ``created_id`` is its id."""
        with self._call("snapshot_server", server_id=server_id) as call:
            check_name(name)
            image_id = str(uuid.uuid4())
            with self._store.transaction() as db:
                now = self._now()
                record = records.find_server(db, server_id, now=now, pace=self._pace)
                plan = self._apply(record, lifecycle.SNAPSHOT, call, request_id, now)
                disk_gb = records.all_flavors(db)[plan.phases[0].flavor_id].disk_gb
                image = Image(
                    id=image_id,
                    name=name,
                    status="queued",
                    visibility="private",
                    size_bytes=disk_gb * GIB // 4,
                    min_disk_gb=disk_gb,
                    server_id=server_id,
                    tag=tag,
                )
                failed = plan.error is not None
                saving = [
                    p.at for p in plan.phases if p.task_state in lifecycle.UPLOADS
                ]
                records.add_image(
                    db,
                    image,
                    saving_at=saving[0] if saving else None,
                    active_at=None if failed else plan.finished_at,
                    gone_at=plan.finished_at if failed else None,
                )
            return Receipt(request_id=call.request_id, created_id=image_id)
