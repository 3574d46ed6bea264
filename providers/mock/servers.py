"""The servers of the mock cloud."""

import uuid
from dataclasses import replace
from datetime import datetime

from providers.contract.calls import Receipt
from providers.contract.images import Image
from providers.contract.servers import (
    RemoteConsole,
    Server,
    ServerAction,
    Servers,
    ServerSpec,
    ServerVerb,
)
from providers.errors import InvalidRequest, QuotaExceeded
from providers.mock.keypairs import find_keypair
from providers.mock.world import (
    catalog,
    guards,
    interfaces,
    lifecycle,
    records,
)
from providers.mock.world.console import boot_log, remote_console
from providers.mock.world.faults import Call
from providers.mock.world.lifecycle import Plan, Transition
from providers.mock.world.records import Record
from providers.mock.world.requests import check_name, check_room, check_spec
from providers.mock.world.seed import GIB
from providers.mock.world.state import Phase, current
from providers.mock.world.world import World


class MockServers(Servers):
    def __init__(self, world: World) -> None:
        self._world = world

    # Reading

    def list_all(self, *, changes_since: datetime | None = None) -> list[Server]:
        subject = "full" if changes_since is None else "changes_since"
        with self._world.call("servers.list_all", subject=subject) as call:
            servers, marker = self._page(None, changes_since)
            call.turn_page()
            while marker is not None:
                page, marker = self._page(marker, changes_since)
                servers += page
            return servers

    def _page(
        self, marker: str | None, changes_since: datetime | None
    ) -> tuple[list[Server], str | None]:
        since = None if changes_since is None else int(changes_since.timestamp())
        now = self._world.now()
        db = self._world.store.connection()
        found, following = records.servers_page(
            db, marker=marker, limit=self._world.page_size, now=now, since=since
        )
        return records.to_servers(db, found, now), following

    def get(self, server_id: str) -> Server:
        with self._world.call("servers.get", server_id=server_id):
            return self._read(server_id)

    def _read(self, server_id: str) -> Server:
        now, db = self._world.now(), self._world.store.connection()
        return records.to_servers(db, [self._record(server_id, now)], now)[0]

    def _record(self, server_id: str, now: int) -> Record:
        db = self._world.store.connection()
        return records.find_server(db, server_id, now=now, pace=self._world.pace)

    def find(self, *, tag: str) -> list[Server]:
        with self._world.call("servers.find", subject=tag):
            db = self._world.store.connection()
            now = self._world.now()
            found = records.servers_with_tag(db, tag, now=now)
            return records.to_servers(db, found, now)

    def list_actions(self, server_id: str) -> list[ServerAction]:
        with self._world.call("servers.list_actions", server_id=server_id):
            now = self._world.now()
            db = self._world.store.connection()
            actions = records.actions_of(db, server_id, now=now)
            if not actions:  # seeded, unknown or another project's
                self._record(server_id, now)
            # Nova's list leaves out the events, which alone tell of an end.
            return [replace(action, finished=False) for action in actions]

    def get_action(self, server_id: str, request_id: str) -> ServerAction:
        with self._world.call("servers.get_action", server_id=server_id):
            db = self._world.store.connection()
            return records.find_action(db, server_id, request_id, now=self._world.now())

    def get_console_log(
        self, server_id: str, *, lines: int, timeout: float | None = None
    ) -> str:
        with self._world.call(
            "servers.get_console_log", server_id=server_id, timeout=timeout
        ):
            now = self._world.now()
            record = self._record(server_id, now)
            guards.check_host(current(record.plan, now), server_id)
            return boot_log(self._read(server_id), lines=lines)

    def open_remote_console(
        self, server_id: str, *, timeout: float | None = None
    ) -> RemoteConsole | None:
        with self._world.call(
            "servers.open_remote_console", server_id=server_id, timeout=timeout
        ):
            now = self._world.now()
            guards.check_host(
                current(self._record(server_id, now).plan, now), server_id
            )
            return remote_console() if self._world.remote_consoles else None

    # Changing

    def create(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        with self._world.call("servers.create", subject=spec.name) as call:
            check_spec(spec)
            server_id = str(uuid.uuid4())
            now = self._world.now()
            with self._world.store.transaction() as db:
                flavor = catalog.offered_flavors(db).get(spec.flavor_id)
                if flavor is None:
                    raise InvalidRequest(
                        f"Flavor {spec.flavor_id} could not be found.", status=400
                    )
                image = catalog.bootable_image(
                    db, spec.image_id, now=now, missing="Can not find requested image"
                )
                check_room(image, flavor)
                public_key = None
                if spec.key_name is not None:
                    keypair = find_keypair(db, spec.key_name)
                    if keypair is None:
                        raise InvalidRequest("Invalid key_name provided.", status=400)
                    public_key = keypair.public_key
                self._check_quota(records.count_servers(db, now=now))
                interfaces.check_ports(db, spec, now)
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
                    key_name=spec.key_name,
                    public_key=public_key,
                    visible_at=now + int(hidden.delay * 1e6) if hidden else None,
                )
                records.add_servers(db, [server])
                if not interfaces.connect(db, server_id, spec):
                    failed = plan.phases[0].failed(interfaces.NO_NETWORK)
                    plan = lifecycle.fail(plan, ends_as=failed)
                # Its ports go by the plan.
                records.save_plan(db, server_id, plan.phases)
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
        plan = lifecycle.run(lifecycle.build(phase), now=now, pace=self._world.pace)
        fault = call.faults.get("build_error") or call.faults.get("fail_async")
        if fault is not None:
            failed = phase.failed(fault.message or lifecycle.NO_HOST)
            return lifecycle.fail(plan, ends_as=failed)
        return lifecycle.stick(plan) if "stuck" in call.faults else plan

    def _check_quota(self, used: int) -> None:
        if self._world.quota and used >= self._world.quota:
            raise QuotaExceeded(
                "Quota exceeded for instances: Requested 1, but already used"
                f" {used} of {self._world.quota} instances",
                status=403,
            )

    def delete(self, server_id: str, *, request_id: str) -> Receipt:
        with self._world.call("servers.delete", server_id=server_id) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                record = self._record(server_id, now)
                phase = current(record.plan, now)
                actions = records.actions_of(db, server_id, now=now)
                # One that Nova began and failed at at once can be asked for again.
                begun = any(action.action == "delete" for action in actions)
                deleting = phase.task_state == "deleting" and begun
                if not (deleting or phase.vm_state == "deleted") or record.locked:
                    self._apply(record, lifecycle.DELETE, call, request_id, now)
                    catalog.drop_unfinished_images(db, server_id, now)
            return Receipt(request_id=call.request_id)

    def act(self, server_id: str, verb: ServerVerb, *, request_id: str) -> Receipt:
        transition = lifecycle.VERBS[verb]
        return self._change(f"servers.{verb}", server_id, transition, request_id)

    def reboot(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        transition = lifecycle.HARD_REBOOT if hard else lifecycle.SOFT_REBOOT
        return self._change("servers.reboot", server_id, transition, request_id)

    def resize(self, server_id: str, *, flavor_id: str, request_id: str) -> Receipt:
        def steps(phase: Phase) -> lifecycle.Steps:
            db = self._world.store.connection()
            flavor = catalog.offered_flavors(db).get(flavor_id)
            if flavor is None:
                raise InvalidRequest(
                    f"Flavor {flavor_id} could not be found.", status=400
                )
            return lifecycle.resize(
                phase, old=catalog.all_flavors(db)[phase.flavor_id], new=flavor
            )

        transition = Transition(guards.RESIZE, "resize", steps)
        return self._change("servers.resize", server_id, transition, request_id)

    def rebuild(self, server_id: str, *, image_id: str, request_id: str) -> Receipt:
        def steps(phase: Phase) -> lifecycle.Steps:
            db = self._world.store.connection()
            image = catalog.bootable_image(
                db,
                image_id,
                now=self._world.now(),
                missing="Cannot find image for rebuild",
            )
            check_room(image, catalog.all_flavors(db)[phase.flavor_id])
            return lifecycle.rebuild(phase, image_id=image_id)

        transition = Transition(guards.REBUILD, "rebuild", steps, breaks=True)
        return self._change("servers.rebuild", server_id, transition, request_id)

    def _change(
        self, op: str, server_id: str, transition: Transition, request_id: str
    ) -> Receipt:
        with self._world.call(op, server_id=server_id) as call:
            with self._world.store.transaction():
                now = self._world.now()
                record = self._record(server_id, now)
                self._apply(record, transition, call, request_id, now)
            return Receipt(request_id=call.request_id)

    def _apply(
        self,
        record: Record,
        transition: Transition,
        call: Call,
        caller_request_id: str,
        now: int,
    ) -> Plan:
        """Accept or refuse an action, inside a transaction of this thread."""
        phase = current(record.plan, now)
        guards.check(
            transition.guard,
            phase,
            server_id=record.id,
            locked=record.locked,
            action=transition.action,
        )
        plan = lifecycle.run(transition.steps(phase), now=now, pace=self._world.pace)
        if "fail_async" in call.faults:
            plan = lifecycle.fail_as_nova(
                plan, transition, was=phase, message=call.faults["fail_async"].message
            )
        elif "stuck" in call.faults:
            plan = lifecycle.stick(plan)
        db = self._world.store.connection()
        records.save_plan(db, record.id, plan.phases)
        records.add_action(
            db,
            record.id,
            plan,
            action=transition.action,
            request_id=call.request_id,
            caller_request_id=caller_request_id,
            now=now,
        )
        return plan

    def snapshot(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        with self._world.call("servers.snapshot", server_id=server_id) as call:
            check_name(name)
            image_id = str(uuid.uuid4())
            with self._world.store.transaction() as db:
                now = self._world.now()
                record = self._record(server_id, now)
                plan = self._apply(record, lifecycle.SNAPSHOT, call, request_id, now)
                disk_gb = catalog.all_flavors(db)[plan.phases[0].flavor_id].disk_gb
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
                catalog.add_image(
                    db,
                    image,
                    saving_at=saving[0] if saving else None,
                    active_at=None if failed else plan.finished_at,
                    gone_at=plan.finished_at if failed else None,
                )
            return Receipt(request_id=call.request_id, created_id=image_id)

    def attach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        with self._world.call(
            "servers.attach_port", server_id=server_id, subject=port_id
        ) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                self._check_interface(server_id, interfaces.ATTACH, now)
                end = interfaces.attach(db, server_id, port_id, call, now)
                interfaces.add_action(
                    db, server_id, interfaces.ATTACH, end, call, request_id, now
                )
            # After the transaction: the record of what failed stays.
            if end.told is not None:
                raise end.told
            return Receipt(request_id=call.request_id)

    def detach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        with self._world.call(
            "servers.detach_port", server_id=server_id, subject=port_id
        ) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                self._check_interface(server_id, interfaces.DETACH, now)
                end = interfaces.detach(
                    db, server_id, port_id, call, now=now, pace=self._world.pace
                )
                interfaces.add_action(
                    db, server_id, interfaces.DETACH, end, call, request_id, now
                )
            return Receipt(request_id=call.request_id)

    def _check_interface(self, server_id: str, action: str, now: int) -> None:
        record = self._record(server_id, now)
        guards.check(
            interfaces.GUARD,
            current(record.plan, now),
            server_id=server_id,
            locked=record.locked,
            action=action,
        )
