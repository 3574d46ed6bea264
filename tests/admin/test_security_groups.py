"""The pages of security groups and their rules, and the groups of a VM."""

import re
from collections.abc import Callable

import pytest

from compute.events import Actor
from compute.models import (
    VM,
    Event,
    Operation,
    Project,
    SecurityGroup,
    SecurityGroupRule,
)
from compute.services import security_groups
from tests.support.console import (
    OPERATOR,
    Operator,
    ask,
    href,
    page,
    path,
    permission,
    press,
    staff,
    succeed,
)

pytestmark = pytest.mark.usefixtures("catalogue")

MakeVM = Callable[..., VM]
Drain = Callable[[], None]
HTTPS = {"direction": "ingress", "protocol": "tcp", "port_min": 443, "port_max": 443}


@pytest.fixture
def web(project: Project, catalogue: None, drain: Drain, actor: Actor) -> SecurityGroup:
    group = security_groups.create(
        project=project, actor=actor, name="web", rules_given=[HTTPS]
    )
    drain()
    return SecurityGroup.objects.get(pk=group.pk)


@pytest.fixture
def https(web: SecurityGroup) -> SecurityGroupRule:
    return SecurityGroupRule.objects.get(group=web, direction="ingress")


def rule_form(**values: str) -> dict[str, str]:
    """Return a form as a browser sends it."""
    names = ("protocol", "port_min", "port_max", "cidr", "group", "icmp_type")
    empty = dict.fromkeys((*names, "icmp_code", "description"), "")
    return {"direction": "ingress", "ip_version": "4", **empty, **values}


def test_an_operator_makes_a_group(
    operator: Operator, project: Project, drain: Drain
) -> None:
    answer = operator.client.post(
        "/admin/compute/securitygroup/add/",
        {"name": "Default", "project": project.name},
    )
    assert "Every cloud has a group of that name." in answer.content.decode()
    told = operator.post("compute/securitygroup/add/", name="web", project=project.name)
    assert "Creation of web is under way" in told
    succeed(drain, "security-group.create")
    group = SecurityGroup.objects.get(name="web")
    text = operator.get(path(group))
    assert "2 rules, guards 0 VMs" in text
    assert "No VMs." in text
    assert "security-group.created" in text


def test_a_page_has_all_rules_in_one_table(
    operator: Operator,
    project: Project,
    web: SecurityGroup,
    https: SecurityGroupRule,
    actor: Actor,
    drain: Drain,
) -> None:
    for rule in (
        {"direction": "ingress", "protocol": "icmp", "icmp_type": 8, "icmp_code": 0},
        {"direction": "ingress", "protocol": "udp", "port_min": 53, "port_max": 99},
        {**HTTPS, "cidr": "192.0.2.0/24", "description": "The office."},
        {**HTTPS, "group": "web"},
    ):
        security_groups.add_rule(web, rule, actor=actor)
        drain()
    text = operator.get(path(web))
    for part in (
        *("type 8, code 0", "53 to 99", "192.0.2.0/24", "The office.", "anywhere"),
        f"VMs with <a {href(web)}>web</a>",
        f'href="/admin/{path(https, "delete")}"',
    ):
        assert part in text
    assert "7 rules" in text


def test_a_rule_is_added_on_the_page_of_its_group(
    operator: Operator, web: SecurityGroup, drain: Drain
) -> None:
    operator.get("compute/securitygrouprule/add/", status=403)
    form = rule_form(protocol="tcp", port_min="80", port_max="90", description="Web.")
    told = ask(operator, web, "add-rule", **form)
    assert "Creation of ingress IPv4 tcp 80:90 anywhere is under way" in told
    succeed(drain, "security-group-rule.create")
    rule = SecurityGroupRule.objects.get(port_min=80)
    assert (rule.port_max, rule.cidr, rule.description) == (90, None, "Web.")
    assert "80 to 90" in operator.get(path(web))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"port_min": "80", "port_max": "80"}, "Only these protocols have ports"),
        ({"protocol": "tcp", "port_min": "80"}, "Give both ends."),
        ({"protocol": "tcp", "port_min": "x"}, "Enter a whole number."),
        ({"cidr": "192.0.2.1/24"}, "192.0.2.0/24 is the range."),
        ({"group": "nonesuch"}, "No security group nonesuch."),
        ({"direction": "sideways"}, "Select a valid choice."),
        ({"protocol": "tcp", "port_min": "443", "port_max": "443"}, "has this rule"),
    ],
)
def test_a_refused_rule_keeps_what_was_typed(
    operator: Operator, web: SecurityGroup, values: dict[str, str], reason: str
) -> None:
    before = SecurityGroupRule.objects.count()
    form = rule_form(description="Mine.", **values)
    answer = operator.client.post(f"/admin/{path(web, 'actions/add-rule')}", form)
    text = answer.content.decode()
    assert reason in text
    assert 'value="Mine."' in text
    assert SecurityGroupRule.objects.count() == before


def test_a_rule_is_deleted_and_leads_back_to_its_group(
    operator: Operator, web: SecurityGroup, https: SecurityGroupRule, drain: Drain
) -> None:
    assert href(https) in operator.get("compute/securitygrouprule/")
    text = operator.get(path(https, "delete"))
    assert "Delete this security group rule?" in text
    assert href(web) in text
    told = operator.post(path(https, "delete"))
    assert f"Delete of {https} is under way" in told
    succeed(drain, "security-group-rule.delete")
    assert href(https) not in operator.get("compute/securitygrouprule/")
    assert "It is kept for its history" in operator.get(path(https))
    assert "is gone" in operator.post(path(https, "delete"))


def test_a_page_of_a_rule_leads_to_its_group_and_back_from_its_operation(
    operator: Operator, web: SecurityGroup, https: SecurityGroupRule, drain: Drain
) -> None:
    assert href(web) in operator.get(path(https))
    operator.post(path(https, "delete"))
    operation = Operation.objects.live().get()
    assert href(https) in operator.get(path(operation))
    assert href(https) in operator.get("compute/operation/")
    assert "ingress" in operator.get(
        f"compute/event/?about=security-group-rule:{https.pk}"
    )


def test_a_group_shows_whom_it_guards(
    operator: Operator, web: SecurityGroup, make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    before = vm.security_groups
    text = page(operator, vm)
    assert "/actions/set-security-groups/" in text
    told = press(
        operator, vm, "set-security-groups", security_groups="web,\r\nnonesuch"
    )
    assert "No security group nonesuch." in told
    told = press(operator, vm, "set-security-groups", security_groups="a\x00b")
    assert "Security groups: Must not contain control characters." in told
    told = press(operator, vm, "set-security-groups")
    assert "Security groups: This field is required." in told
    press(operator, vm, "set-security-groups", security_groups="default, web")
    succeed(drain, "vm.set-security-groups")
    vm.refresh_from_db()
    assert set(vm.security_groups) == {*before, str(web.pk)}
    assert href(web) in operator.get(f"{path(vm)}?tab=networks")
    text = page(operator, vm)
    typed = text.partition('name="security_groups"')[2].partition("</textarea>")[0]
    assert set(typed.partition(">")[2].split()) == {"default", "web"}
    text = operator.get(path(web))
    assert href(vm) in text
    assert "guards 1 VM" in text
    assert f"in use by vm {vm.name}" in operator.post(path(web, "delete"))
    refusal = Event.objects.filter(type="request.refused").latest("sequence")
    assert (refusal.actor, refusal.subject_id) == (OPERATOR, web.pk)
    # An empty list is one, too.
    press(operator, vm, "set-security-groups", security_groups="")
    succeed(drain, "vm.set-security-groups")
    vm.refresh_from_db()
    assert vm.security_groups == []
    assert "Delete of web is under way" in operator.post(path(web, "delete"))
    succeed(drain, "security-group.delete")


def test_who_sees_no_groups_takes_none_away_by_accident(
    web: SecurityGroup, make_vm: MakeVM
) -> None:
    vm = make_vm(security_groups=["web"])
    blind = staff("bea", permission("view_vm"), permission("change_vm"))
    text = page(blind, vm)
    assert f">\n{web.pk}</textarea>" in text
    assert href(web) not in text


def test_the_group_of_the_cloud_has_no_buttons(operator: Operator) -> None:
    group = SecurityGroup.objects.get(project=None)
    assert "all projects" in operator.get("compute/securitygroup/")
    rule = SecurityGroupRule.objects.filter(group=group).first()
    assert rule is not None
    for row in (group, rule):
        text = operator.get(path(row))
        assert "offers this" in text
        for button in ("/actions/", "Delete…", 'name="_save"'):
            assert button not in text, row
    form = rule_form()
    answer = operator.client.post(f"/admin/{path(group, 'actions/add-rule')}", form)
    assert "own" in answer.content.decode()
    operator.post(path(rule, "delete"))
    assert not Operation.objects.exists()


def test_each_permission_brings_its_own_buttons(
    web: SecurityGroup, https: SecurityGroupRule
) -> None:
    see = permission("view_securitygroup")
    rules = permission("view_securitygrouprule")
    looker = staff("ivan", see)
    text = looker.get(path(web))
    assert "/actions/" not in text
    assert href(https) not in text
    adder = staff("adam", see, rules, permission("add_securitygrouprule"))
    text = adder.get(path(web))
    assert "/actions/add-rule/" in text
    assert href(https) in text
    assert "Delete…" not in text
    remover = staff("rita", see, rules, permission("delete_securitygrouprule"))
    text = remover.get(path(web))
    assert "/actions/" not in text
    assert path(https, "delete") in text
    for operator in (looker, remover):
        assert operator.status_of_post(path(web, "actions/add-rule")) == 403
    for operator in (looker, adder):
        assert operator.status_of_post(path(https, "delete")) == 403
    assert not Operation.objects.live().exists()


def test_a_refused_edit_keeps_what_was_typed_with_the_reason_at_its_field(
    operator: Operator, web: SecurityGroup
) -> None:
    typed = {"description": "ours & theirs", "labels": "team=core"}
    data = {"name": "default", "version": web.version, **typed}
    text = operator.client.post(f"/admin/{path(web)}", data).content.decode()
    assert 'value="default"' in text
    assert "ours &amp; theirs" in text
    assert "team=core" in text
    (reason,) = re.findall(r'<ul class="errorlist" id="id_name_error">.*?</ul>', text)
    assert "Every cloud has a group of that name." in reason
    web.refresh_from_db()
    assert (web.name, web.description) == ("web", "")
