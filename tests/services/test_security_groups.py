"""Security groups: a set of rules, without an equal one, on VMs."""

from typing import Any

import pytest

from compute.engine import runner
from compute.errors import ResourceInUse, RuleExists
from compute.models import Project, SecurityGroup, SecurityGroupRule
from compute.services import security_groups, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, drain_all, observe
from tests.services.conftest import wrong
from tests.support import invariants as ledger
from tests.support.networking import HTTPS, PING, make_group, make_vm, newest


@pytest.fixture
def group(catalogue: None, project: Project) -> SecurityGroup:
    return make_group(project, "web", HTTPS)


def keys(group: SecurityGroup) -> set[str]:
    there = SecurityGroupRule.objects.alive().filter(group=group, status="ACTIVE")
    return set(there.values_list("key", flat=True))


OUT = {"egress IPv4 any anywhere", "egress IPv6 any anywhere"}


def test_a_group_lets_all_out_and_in_what_it_is_told(
    group: SecurityGroup, cloud: MockCloud
) -> None:
    assert keys(group) == OUT | {"ingress IPv4 tcp 443 anywhere"}
    assert len(group.rules) == 3
    ledger.check(cloud)


def test_no_two_rules_are_equal(group: SecurityGroup, cloud: MockCloud) -> None:
    first = SecurityGroupRule.objects.get(protocol="tcp")
    with pytest.raises(RuleExists) as caught:
        security_groups.add_rule(
            group, {**HTTPS, "cidr": "0.0.0.0/0", "description": "again"}, actor=ALICE
        )
    assert caught.value.members["rule_id"] == str(first.pk)


def test_all_ports_are_as_none(group: SecurityGroup, drain: Drain) -> None:
    all_ports = {**HTTPS, "port_min": 1, "port_max": 65535}
    security_groups.add_rule(group, all_ports, actor=ALICE)
    drain()
    with pytest.raises(RuleExists):
        security_groups.add_rule(
            group, {"direction": "ingress", "protocol": "6"}, actor=ALICE
        )


def test_a_declared_set_is_reached_by_difference(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    kept = SecurityGroupRule.objects.get(protocol="tcp")
    cloud.controls.reset_counts()
    security_groups.set_rules(group, [HTTPS, PING], actor=ALICE)
    drain()
    assert keys(group) == {
        "ingress IPv4 tcp 443 anywhere",
        "ingress IPv4 icmp 8:None anywhere",
    }
    kept.refresh_from_db()
    assert kept.deleted_at is None
    counts = cloud.controls.call_counts()
    assert counts["security_groups.create_rule"] == 1
    assert counts["security_groups.delete_rule"] == 2
    ledger.check(cloud)


def test_a_set_that_fails_in_the_middle_adds_nothing(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("security_groups.create_rule", kind="fail", status=400)
    before = keys(group)
    security_groups.set_rules(
        group, [HTTPS, PING, {**HTTPS, "port_max": 444}], actor=ALICE
    )
    drain()
    assert newest().status == "FAILED"
    group.refresh_from_db()
    assert (group.status, keys(group)) == ("ACTIVE", before)
    ledger.check(cloud)


def test_rules_come_and_go(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    rule = security_groups.add_rule(group, PING, actor=ALICE)
    drain()
    rule.refresh_from_db()
    group.refresh_from_db()
    assert rule.status == "ACTIVE"
    assert str(rule.pk) in {shown["id"] for shown in group.rules}
    security_groups.remove_rule(rule, actor=ALICE)
    drain()
    group.refresh_from_db()
    assert str(rule.pk) not in {shown["id"] for shown in group.rules}
    ledger.check(cloud)


def test_a_vm_takes_and_drops_groups(
    group: SecurityGroup, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project, security_groups=["web"])
    assert vm.security_groups == [str(group.pk)]
    assert group.guarded_vms == 1
    with pytest.raises(ResourceInUse):
        security_groups.delete(group, actor=ALICE)
    vms.set_security_groups(vm, security_groups=["default"], actor=ALICE)
    drain()
    vm.refresh_from_db()
    default = SecurityGroup.objects.get(name="default")
    assert vm.security_groups == [str(default.pk)]
    security_groups.delete(group, actor=ALICE)
    drain()
    group.refresh_from_db()
    assert group.status == "DELETED"
    ledger.check(cloud)


def test_a_group_that_another_names_stays(
    group: SecurityGroup, project: Project, drain: Drain
) -> None:
    other = make_group(project, "db", {"direction": "ingress", "group": "web"})
    with pytest.raises(ResourceInUse) as caught:
        security_groups.delete(group, actor=ALICE)
    assert caught.value.members["in_use_by"][0]["id"] == str(other.pk)
    security_groups.delete(other, actor=ALICE)
    drain()
    security_groups.delete(group, actor=ALICE)


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "ports without a protocol": (
        {"protocol": None, "port_min": 1, "port_max": 2},
        ("#/port_min", "no_ports"),
    ),
    "one port": ({"port_max": None}, ("#/port_max", "required")),
    "port 0": ({"port_min": 0}, ("#/port_min", "invalid")),
    "ports in reverse": ({"port_max": 1}, ("#/port_max", "invalid")),
    "a protocol nobody knows": ({"protocol": "tpc"}, ("#/protocol", "invalid")),
    "a number beyond": ({"protocol": "256"}, ("#/protocol", "invalid")),
    "a range with host bits": ({"cidr": "10.0.0.5/24"}, ("#/cidr", "host_bits")),
    "a range of the other version": ({"cidr": "fd00::/8"}, ("#/cidr", "ip_version")),
    "both ends": (
        {"cidr": "10.0.0.0/24", "group": "web"},
        ("#/group", "conflict"),
    ),
    "a group that is not there": ({"group": "xyz"}, ("#/group", "does_not_exist")),
    "a type of ICMP for TCP": ({"icmp_type": 8}, ("#/icmp_type", "no_icmp")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_is_checked_before_the_cloud_is_asked(
    group: SecurityGroup, name: str
) -> None:
    changes, why = REFUSED[name]
    rule = {**HTTPS, **changes}
    assert wrong(lambda: security_groups.add_rule(group, rule, actor=ALICE)) == why


def test_a_rule_that_was_lost_does_not_stay_open_unseen(
    group: SecurityGroup,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject("security_groups.create_rule", kind="lose_response")
    cloud.controls.inject("security_groups.get", kind="fail", status=503, times=9)
    rule = security_groups.add_rule(group, PING, actor=ALICE)
    drain()
    rule.refresh_from_db()
    assert rule.status == "ERROR"
    cloud.controls.clear_faults()
    assert len(cloud.security_groups.get(group.provider_id).rules) == 4
    observe(full=True)
    assert len(cloud.security_groups.get(group.provider_id).rules) == 3


def test_a_lost_rule_that_is_deleted_goes_from_the_cloud_too(
    group: SecurityGroup,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject("security_groups.create_rule", kind="lose_response")
    cloud.controls.inject("security_groups.get", kind="fail", status=503, times=9)
    rule = security_groups.add_rule(group, PING, actor=ALICE)
    drain()
    cloud.controls.clear_faults()
    security_groups.remove_rule(rule, actor=ALICE)
    drain()
    rule.refresh_from_db()
    assert rule.status == "DELETED"
    assert len(cloud.security_groups.get(group.provider_id).rules) == 3


def test_a_set_that_times_out_leaves_no_rule_unseen(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    before = keys(group)
    cloud.controls.inject(
        "security_groups.delete_rule", kind="fail", status=503, times=9
    )
    security_groups.set_rules(group, [HTTPS, PING], actor=ALICE)
    drain()
    assert newest().status == "FAILED"
    cloud.controls.clear_faults()
    observe(full=True)
    group.refresh_from_db()
    assert keys(group) == before
    assert len(group.rules) == 3
    ledger.check(cloud)


def refuse_a_rule(group: SecurityGroup, cloud: MockCloud, rule: Any) -> Any:
    """Ask for a rule that the cloud refuses: it is in ERROR."""
    cloud.controls.inject("security_groups.create_rule", kind="fail", status=400)
    made = security_groups.add_rule(group, rule, actor=ALICE)
    drain_all()
    made.refresh_from_db()
    assert made.status == "ERROR"
    return made


def test_a_rule_that_failed_can_be_asked_for_again(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    failed = refuse_a_rule(group, cloud, PING)
    again = security_groups.add_rule(group, PING, actor=ALICE)
    drain()
    again.refresh_from_db()
    failed.refresh_from_db()
    assert (failed.status, again.status) == ("DELETED", "ACTIVE")
    ledger.check(cloud)


@pytest.mark.parametrize("declared", [[HTTPS], [HTTPS, PING]])
def test_a_declared_set_takes_no_rule_that_failed_for_one(
    group: SecurityGroup, cloud: MockCloud, drain: Drain, declared: Any
) -> None:
    refuse_a_rule(group, cloud, PING)
    security_groups.set_rules(group, declared, actor=ALICE)
    drain()
    there = SecurityGroupRule.objects.alive().filter(group=group)
    assert set(there.values_list("status", flat=True)) == {"ACTIVE"}
    assert there.count() == len(declared)
    group.refresh_from_db()
    assert len(group.rules) == len(declared)
    ledger.check(cloud)


def test_a_rule_that_failed_stays_so_where_its_group_cannot_go(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    failed = refuse_a_rule(group, cloud, PING)
    cloud.controls.inject("security_groups.delete", kind="fail", status=400)
    security_groups.delete(group, actor=ALICE)
    drain()
    assert newest().status == "FAILED"
    failed.refresh_from_db()
    assert failed.status == "ERROR"
    ledger.check(cloud)


def test_a_vm_whose_groups_are_not_set_after_all_shows_those_it_has(
    group: SecurityGroup, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    make_group(project, "db")
    vm = make_vm(project, security_groups=["web"])
    vms.set_security_groups(vm, security_groups=["db"], actor=ALICE)
    runner.cancel(newest(), actor=ALICE)
    vm.refresh_from_db()
    assert vm.security_groups == [str(group.pk)]
    ledger.check(cloud)


def test_a_set_that_timed_out_may_be_declared_again_at_once(
    group: SecurityGroup, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject(
        "security_groups.delete_rule", kind="fail", status=503, times=9
    )
    security_groups.set_rules(group, [HTTPS, PING], actor=ALICE)
    drain()
    assert newest().status == "FAILED"
    cloud.controls.clear_faults()
    security_groups.set_rules(group, [HTTPS, PING], actor=ALICE)
    drain()
    assert (newest().status, newest().attempts) == ("SUCCEEDED", 1)
    observe(full=True)
    assert len(keys(group)) == 2
    ledger.check(cloud)
