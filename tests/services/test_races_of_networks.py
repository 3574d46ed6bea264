"""Races for networks, addresses and rules, with real threads on PostgreSQL."""

import threading
import time
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from compute.models import (
    VM,
    FloatingIP,
    Network,
    Occupation,
    Project,
    SecurityGroup,
    SecurityGroupRule,
)
from compute.services import floating_ips, networks, security_groups, subnets, vms
from compute.services.ports import Wish
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.support import invariants as ledger
from tests.support.networking import (
    HTTPS,
    PING,
    ask_for_vm,
    make_floating_ip,
    make_group,
    make_network,
    make_vm,
)
from tests.support.racing import at_once, kinds

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
    # The rollback keeps the project that migrate made.
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

ROUNDS = 10


@pytest.fixture
def project() -> Project:
    return Project.objects.default()


def check(cloud: MockCloud) -> None:
    """Compare both sides, and see that nothing is held by an operation that ended."""
    observe(full=True)
    assert not Occupation.objects.exists()
    ledger.check(cloud)


def test_of_twenty_attaches_of_one_floating_ip_one_wins(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_network(project)
    made = [ask_for_vm(project, Wish("web"), name=f"web-{n}") for n in range(20)]
    drain()
    floating_ip = make_floating_ip(project)
    results = at_once(
        *[
            partial(floating_ips.attach, floating_ip, vm=str(vm.pk), actor=ALICE)
            for vm in made
        ]
    )
    assert kinds(results) == {"FloatingIP": 1, "OperationInProgress": 19}
    drain()
    floating_ip.refresh_from_db()
    assert floating_ip.vm in made
    check(cloud)


def test_a_network_is_deleted_while_a_vm_is_made_on_it(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    for number in range(ROUNDS):
        network = make_network(
            project, f"net-{number}", f"10.{number}.0.0/24", internet=False
        )
        made, deleted = at_once(
            partial(ask_for_vm, project, Wish(network.name)),
            partial(networks.delete, network, actor=ALICE),
        )
        if isinstance(made, VM):
            assert type(deleted).__name__ == "ResourceInUse"
        else:
            assert isinstance(deleted, Network)
            assert type(made).__name__ in ("ValidationError", "OperationInProgress")
        drain()
    check(cloud)


def test_of_thirty_equal_rules_one_is_made(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    group = make_group(project, "web")
    results = at_once(
        *[partial(security_groups.add_rule, group, HTTPS, actor=ALICE)] * 30
    )
    assert kinds(results)["SecurityGroupRule"] == 1
    refused = {"SecurityGroupRule", "OperationInProgress", "RuleExists"}
    assert kinds(results).keys() <= refused
    drain()
    assert SecurityGroupRule.objects.alive().filter(protocol="tcp").count() == 1
    check(cloud)


def test_of_two_declared_sets_one_is_reached_whole(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    group = make_group(project, "web")
    for _ in range(ROUNDS):
        sets: list[list[dict[str, Any]]] = [[HTTPS, PING], [{**HTTPS, "port_max": 444}]]
        at_once(
            *[
                partial(security_groups.set_rules, group, rules, actor=ALICE)
                for rules in sets
            ]
        )
        drain()
        group.refresh_from_db()
        assert len(group.rules) in (1, 2)
    check(cloud)


def test_of_ten_subnets_that_overlap_one_is_made(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_network(project, "web", internet=False)
    results = at_once(
        *[
            partial(
                subnets.create,
                project=project,
                actor=ALICE,
                network="web",
                cidr="10.8.0.0/24",
                name=f"subnet-{n}",
            )
            for n in range(10)
        ]
    )
    assert kinds(results)["Subnet"] == 1
    drain()
    assert len(Network.objects.get(name="web").subnets) == 2
    check(cloud)


def test_a_vm_goes_while_its_floating_ip_is_moved(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_network(project)
    for number in range(ROUNDS):
        vm = make_vm(project, "web", name=f"web-{number}")
        floating_ip = make_floating_ip(project, vm)
        at_once(
            partial(vms.delete, vm, actor=ALICE),
            partial(floating_ips.detach, floating_ip, actor=ALICE),
            partial(floating_ips.delete, floating_ip, actor=ALICE),
        )
        drain()
    assert not FloatingIP.objects.alive().filter(vm__isnull=False).exists()
    check(cloud)


def test_a_group_is_deleted_while_a_vm_takes_it(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project)
    for number in range(ROUNDS):
        group = make_group(project, f"group-{number}")
        taken, deleted = at_once(
            partial(
                vms.set_security_groups,
                vm,
                security_groups=[group.name],
                actor=ALICE,
            ),
            partial(security_groups.delete, group, actor=ALICE),
        )
        assert isinstance(taken, VM) != isinstance(deleted, SecurityGroup)
        drain()
    check(cloud)


def test_one_address_is_given_once(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_network(project)
    results = at_once(*[partial(ask_for_vm, project, Wish("web", "10.1.0.77"))] * 10)
    assert kinds(results) == {"VM": 1, "AddressTaken": 9}
    drain()
    check(cloud)


def test_an_attach_sees_where_it_has_come_to_lead_meanwhile(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_network(project)
    first, second = (make_vm(project, "web", name=f"web-{n}") for n in range(2))
    floating_ip = make_floating_ip(project)
    floating_ips.attach(floating_ip, vm=str(first.pk), actor=ALICE)
    locked = threading.Event()

    def finish() -> None:
        with transaction.atomic():
            FloatingIP.locked(floating_ip.pk)
            locked.set()
            # The other request has read by now, and waits for the row.
            time.sleep(0.5)
            drain()

    def attach() -> FloatingIP:
        locked.wait(timeout=30)
        return floating_ips.attach(floating_ip, vm=str(second.pk), actor=ALICE)

    results = at_once(finish, attach)
    assert kinds(results) == {"NoneType": 1, "ResourceInUse": 1}
    check(cloud)
