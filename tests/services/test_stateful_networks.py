"""Anything may happen in any order to networks, attachments and floating IPs as well."""

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from compute.engine import passes
from compute.errors import Problem
from compute.models import (
    VM,
    CloudService,
    FloatingIP,
    Network,
    Occupation,
    Operation,
    Port,
    Subnet,
)
from compute.services import floating_ips, networks, vms
from compute.services.ports import Wish
from providers.mock import MockCloud
from tests.conftest import ALICE
from tests.services.test_stateful import Life, vm_numbers
from tests.support.orders import try_orders

CALLS = [
    *("networks.create", "subnets.create", "routers.create", "routers.attach_subnet"),
    *("ports.create", "ports.delete", "ports.get", "servers.create"),
    *("servers.attach_port", "servers.detach_port", "networks.delete"),
    *("floating_ips.create", "floating_ips.attach", "floating_ips.detach"),
]
KINDS = ["fail", "refuse", "drop", "hang", "lose_response"]


class NetworkLife(Life):
    """The same, with up to two networks and two floating IPs."""

    def watch_all(self, *, full: bool) -> None:
        changes: dict[str, Any] = {"next_pass_at": None}
        if full:
            changes["full_observed_at"] = None
        CloudService.objects.update(**changes)
        for service in ("compute", "network"):
            self.mortal(partial(passes.observe, "default", service))

    @rule(full=st.booleans())
    def watch(self, full: bool) -> None:
        self.watch_all(full=full)

    @precondition(
        lambda self: Network.objects.alive().filter(project__isnull=False).count() < 2
    )
    @rule(number=st.integers(1, 3), internet=st.booleans())
    def create_network(self, number: int, internet: bool) -> None:
        self.tick()
        with suppress(Problem):
            networks.create(
                project=self.project,
                actor=ALICE,
                name="web",
                cidr=f"10.{number}.0.0/24",
                internet=internet,
            )

    def network(self) -> Network | None:
        there = Network.objects.alive().filter(project=self.project)
        found: Network | None = there.order_by("created_at", "id").first()
        return found

    @rule()
    def delete_network(self) -> None:
        network = self.network()
        if network is not None:
            self.tick()
            with suppress(Problem):
                networks.delete(network, actor=ALICE)

    @precondition(lambda self: VM.objects.alive().count() < 3)
    @rule()
    def create_on_a_network(self) -> None:
        network = self.network()
        if network is None:
            return
        self.tick()
        with suppress(Problem):
            vms.create(
                project=self.project,
                actor=ALICE,
                name="web",
                flavor="m1.tiny",
                image="cirros",
                networks=[Wish(str(network.pk))],
            )

    @rule(number=vm_numbers)
    def attach(self, number: int) -> None:
        vm, network = self.vm(number), self.network()
        if vm is not None and network is not None:
            self.tick()
            with suppress(Problem):
                vms.attach_network(vm, network=str(network.pk), actor=ALICE)

    @precondition(lambda self: FloatingIP.objects.alive().count() < 2)
    @rule(number=vm_numbers, attached=st.booleans())
    def take_an_address(self, number: int, attached: bool) -> None:
        vm = self.vm(number)
        self.tick()
        with suppress(Problem):
            floating_ips.create(
                project=self.project,
                actor=ALICE,
                vm=str(vm.pk) if vm and attached else None,
            )

    @rule(number=vm_numbers, what=st.sampled_from(["attach", "detach", "delete"]))
    def move_an_address(self, number: int, what: str) -> None:
        floating_ip = FloatingIP.objects.alive().order_by("created_at", "id").first()
        vm = self.vm(number)
        if floating_ip is None or vm is None:
            return
        self.tick()
        with suppress(Problem):
            match what:
                case "attach":
                    floating_ips.attach(
                        floating_ip, vm=str(vm.pk), force=True, actor=ALICE
                    )
                case "detach":
                    floating_ips.detach(floating_ip, actor=ALICE)
                case _:
                    floating_ips.delete(floating_ip, actor=ALICE)

    @rule(
        op=st.sampled_from(CALLS),
        kind=st.sampled_from(KINDS),
        status=st.sampled_from([400, 403, 404, 409, 500, 503]),
        times=st.integers(1, 3),
    )
    def trouble_neutron(self, op: str, kind: Any, status: int, times: int) -> None:
        fault: dict[str, Any] = {"status": status} if kind == "fail" else {}
        self.cloud.controls.inject(op, kind=kind, times=times, **fault)

    @invariant()
    def what_is_worked_on_is_occupied_and_nothing_else(self) -> None:
        held = set(Occupation.objects.values_list("operation", flat=True))
        assert held == set(Operation.objects.live().values_list("pk", flat=True))

    @invariant()
    def no_row_comes_or_goes_without_an_event(self) -> None:
        listed: list[Any] = [VM.objects, Network.objects, Subnet.objects]
        own = [rows.alive().filter(project=self.project).count() for rows in listed]
        own.append(FloatingIP.objects.alive().count())
        self.project.refresh_from_db()
        newest = self.project.event_sequence
        assert self.counts.setdefault(newest, own) == own

    @invariant()
    def an_address_has_one_owner(self) -> None:
        there = FloatingIP.objects.alive().filter(port__isnull=False)
        led = Counter(there.values_list("port", "fixed_ip"))
        assert not [place for place, n in led.items() if n > 1]
        for floating_ip in there.select_related("port"):
            assert floating_ip.port is not None
            assert floating_ip.port.vm_id == floating_ip.vm_id
        gone = Port.objects.alive().filter(vm__deleted_at__isnull=False)
        assert not gone.exists()

    def settle(self) -> None:
        super().settle()
        for _ in range(2):
            self.clock.shift(70)
            self.watch_all(full=True)


@pytest.mark.slow
@pytest.mark.django_db
def test_no_order_of_events_breaks_a_promise_of_networks(cloud: MockCloud) -> None:
    try_orders(NetworkLife, 40)
