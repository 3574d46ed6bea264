"""Security groups and their rules over HTTP."""

from typing import Any

import pytest

from tests.conftest import Drain, drain_all
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory
from tests.support.network_api import NETWORK, VM, acted, made, shown

pytestmark = pytest.mark.usefixtures("catalogue")

HTTPS = {
    "direction": "ingress",
    "protocol": "tcp",
    "port_min": 443,
    "port_max": 443,
    "cidr": "192.0.2.0/24",
}
SSH = {"direction": "ingress", "protocol": "tcp", "port_min": 22, "port_max": 22}


@pytest.fixture
def group(api: Api) -> dict[str, Any]:
    return made(api, "/security-groups", {"name": "web", "rules": [HTTPS]})


def rules_of(api: Api, group: dict[str, Any]) -> set[str]:
    """Return the ids of the rules that a group shows and that its list has."""
    path = f"/security-groups/{group['id']}"
    shows = {rule["id"] for rule in shown(api, path)["rules"]}
    listed = api.get(f"{path}/rules?per_page=100").json()["results"]
    assert {rule["id"] for rule in listed} == shows
    every = api.get(f"/security-group-rules?security_group={group['id']}&per_page=100")
    assert {rule["id"] for rule in every.json()["results"]} == shows
    return shows


def added(api: Api, group: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    """Add a rule, have it done, and return it."""
    answer = api.post(f"/security-groups/{group['id']}/rules", rule)
    assert answer.status_code == 202, answer.content
    drain_all()
    return shown(api, f"/security-group-rules/{answer.json()['id']}")


def test_the_life_of_a_group(api: Api, group: dict[str, Any], drain: Drain) -> None:
    path = f"/security-groups/{group['id']}"
    assert group["allowed_actions"] == ["set-rules", "delete"]
    assert (group["stateful"], group["vms"]) == (True, 0)
    by_direction = sorted(rule["direction"] for rule in group["rules"])
    assert by_direction == ["egress", "egress", "ingress"]
    (own,) = (rule for rule in group["rules"] if rule["direction"] == "ingress")
    assert {name: own[name] for name in HTTPS} == HTTPS
    assert len(rules_of(api, group)) == 3
    tag = f'"{group["version"]}"'
    changed = api.patch(path, {"labels": {"a": "b"}}, If_Match=tag)
    assert changed.json()["labels"] == {"a": "b"}
    problem(api.delete(path, If_Match=tag), 412, "precondition-failed")
    assert api.delete(path).status_code == 202
    drain()
    problem(api.get(path), 404, "not-found")
    problem(api.get(f"{path}/rules"), 404, "not-found")
    listed = api.get("/security-group-rules?direction=ingress").json()["results"]
    assert own["id"] not in [rule["id"] for rule in listed]
    gone = api.get(f"/security-group-rules/{own['id']}?include_deleted=true").json()
    assert gone["status"] == "DELETED"


def test_a_rule_is_added_once_and_deleted(
    api: Api, group: dict[str, Any], drain: Drain
) -> None:
    path = f"/security-groups/{group['id']}/rules"
    first = api.post(path, SSH, Idempotency_Key="k")
    assert first.status_code == 202
    rule = first.json()
    assert first.headers["Location"].endswith(f"/security-group-rules/{rule['id']}")
    again = api.post(path, SSH, Idempotency_Key="k")
    assert again.headers["Idempotent-Replayed"] == "true"
    drain()
    done = api.post(path, SSH, Idempotency_Key="k")
    assert (done.status_code, done.json()["status"]) == (201, "ACTIVE")
    for equal in (SSH, {**SSH, "protocol": "6"}, {**SSH, "cidr": "0.0.0.0/0"}):
        refused = problem(api.post(path, equal), 409, "rule-exists")
        assert refused["rule_id"] == rule["id"]
    assert rule["id"] in rules_of(api, group)
    stale = api.delete(f"{path}/{rule['id']}", If_Match='"99"')
    problem(stale, 412, "precondition-failed")
    deleted = api.delete(f"{path}/{rule['id']}")
    assert (deleted.status_code, deleted.json()["status"]) == (202, "DELETING")
    assert deleted.headers["Operation-Location"]
    problem(api.delete(f"{path}/{rule['id']}"), 409, "operation-in-progress")
    drain()
    problem(api.delete(f"{path}/{rule['id']}"), 404, "not-found")
    assert rule["id"] not in rules_of(api, group)
    other = added(api, group, {"direction": "ingress"})
    assert api.delete(f"/security-group-rules/{other['id']}").status_code == 202


def test_the_rules_are_declared_as_a_set(
    api: Api, group: dict[str, Any], drain: Drain
) -> None:
    path = f"/security-groups/{group['id']}/rules"
    (kept,) = (r["id"] for r in group["rules"] if r["direction"] == "ingress")
    for _ in range(2):  # the second time nothing is left to do
        answer = api.put(path, {"rules": [HTTPS, SSH]})
        assert (answer.status_code, answer.json()["status"]) == (202, "UPDATING")
        assert answer.json()["id"] == group["id"]
        busy = api.put(path, {"rules": []})
        problem(busy, 409, "operation-in-progress")
        drain()
        known = rules_of(api, group)
        assert kept in known
        assert len(known) == 2
    stale = api.put(path, {"rules": []}, If_Match=f'"{group["version"]}"')
    problem(stale, 412, "precondition-failed")
    assert api.put(path, {"rules": []}).status_code == 202
    drain()
    assert rules_of(api, group) == set()


def test_who_may_not_change_is_told_so(api: Api, group: dict[str, Any]) -> None:
    reader = as_user(MembershipFactory.create(role="reader").user)
    path = f"/security-groups/{group['id']}/rules"
    assert reader.get(path).json()["count"] == 3
    for method, address, body in (
        ("POST", path, SSH),
        ("PUT", path, {"rules": []}),
        ("DELETE", f"{path}/{group['rules'][0]['id']}", None),
    ):
        problem(reader.call(method, address, body), 403, "permission-denied")


def test_one_in_use_says_who_uses_it(api: Api, group: dict[str, Any]) -> None:
    made(api, "/networks", NETWORK)
    body = {**VM, "networks": ["web"], "security_groups": ["web"]}
    vm = made(api, "/vms", body)
    assert vm["security_groups"] == [group["id"]]
    path = f"/security-groups/{group['id']}"
    assert shown(api, path)["vms"] == 1
    refused = problem(api.delete(path), 409, "resource-in-use")
    assert refused["in_use_by"] == [{"kind": "vm", "id": vm["id"], "name": "web-1"}]
    assert "/actions/set-security-groups" in refused["detail"]
    other = made(
        api,
        "/security-groups",
        {"name": "db", "rules": [{"direction": "ingress", "group": "web"}]},
    )
    vm = acted(
        api, f"/vms/{vm['id']}", "set-security-groups", {"security_groups": ["db"]}
    )
    assert vm["security_groups"] == [other["id"]]
    refused = problem(api.delete(path), 409, "resource-in-use")
    assert refused["in_use_by"] == [
        {"kind": "security-group", "id": other["id"], "name": "db"}
    ]


ICMP = {"direction": "ingress", "protocol": "icmp"}
TCP = {"direction": "ingress", "protocol": "tcp"}
ANY = {"direction": "ingress"}
WRONG: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({}, ("direction", "required")),
    ({"direction": "in"}, ("direction", "invalid_choice")),
    ({**ANY, "ip_version": 5}, ("ip_version", "invalid")),
    ({**ANY, "ip_version": 7}, ("ip_version", "invalid")),
    ({**ANY, "ip_version": "4"}, ("ip_version", "invalid")),
    ({**ANY, "protocol": "bogus"}, ("protocol", "invalid")),
    ({**ANY, "protocol": "256"}, ("protocol", "invalid")),
    ({**ANY, "protocol": "9" * 255}, ("protocol", "invalid")),
    ({**ANY, "protocol": 6}, ("protocol", "invalid")),
    ({**ANY, "protocol": "ipv6-icmp"}, ("protocol", "ip_version")),
    ({**ANY, "port_min": 1, "port_max": 2}, ("port_min", "no_ports")),
    ({**ICMP, "port_max": 2}, ("port_max", "no_ports")),
    ({**TCP, "port_min": 1}, ("port_max", "required")),
    ({**TCP, "port_max": 1}, ("port_min", "required")),
    ({**TCP, "port_min": 0, "port_max": 1}, ("port_min", "invalid")),
    ({**TCP, "port_min": 1, "port_max": 65536}, ("port_max", "invalid")),
    ({**TCP, "port_min": 2, "port_max": 1}, ("port_max", "invalid")),
    ({**TCP, "port_min": -1, "port_max": 1}, ("port_min", "invalid")),
    ({**TCP, "port_min": 2**62, "port_max": 1}, ("port_min", "invalid")),
    ({**TCP, "icmp_type": 8}, ("icmp_type", "no_icmp")),
    ({**ICMP, "icmp_type": 256}, ("icmp_type", "invalid")),
    ({**ICMP, "icmp_code": 0}, ("icmp_type", "required")),
    ({**ICMP, "icmp_type": 3, "icmp_code": 256}, ("icmp_code", "invalid")),
    ({**ANY, "cidr": "10.0.0.5/24"}, ("cidr", "host_bits")),
    ({**ANY, "cidr": "x"}, ("cidr", "invalid")),
    ({**ANY, "cidr": "fd00::/64"}, ("cidr", "ip_version")),
    ({**ANY, "cidr": "0.0.0.0/0", "group": "web"}, ("group", "conflict")),
    ({**ANY, "group": "nothing"}, ("group", "does_not_exist")),
    ({**ANY, "remote_ip_prefix": "x"}, ("remote_ip_prefix", "unknown")),
]


@pytest.mark.parametrize(("rule", "expected"), WRONG)
def test_a_rule_that_is_none(
    api: Api, group: dict[str, Any], rule: dict[str, Any], expected: tuple[str, str]
) -> None:
    field, code = expected
    rules = f"/security-groups/{group['id']}/rules"
    assert errors(api.post(rules, rule)) == [(f"#/{field}", code)]
    declared = {"rules": [SSH, rule]}
    at = [(f"#/rules/1/{field}", code)]
    assert errors(api.put(rules, declared)) == at
    body = {"name": "new", **declared}
    if rule.get("group") != "web":
        assert errors(api.post("/security-groups", body)) == at
    assert len(rules_of(api, group)) == 3


@pytest.mark.parametrize(
    ("rule", "shows"),
    [
        ({**ANY, "protocol": "TCP"}, {"protocol": "tcp"}),
        ({**ANY, "protocol": "17"}, {"protocol": "udp"}),
        ({**ANY, "protocol": "any"}, {"protocol": None}),
        ({**ANY, "protocol": None}, {"protocol": None}),
        ({**ANY, "protocol": "200"}, {"protocol": "200"}),
        (
            {**ICMP, "ip_version": 6, "icmp_type": 128},
            {"protocol": "ipv6-icmp", "icmp_type": 128, "port_min": None},
        ),
        ({**ICMP, "icmp_type": 8, "icmp_code": 0}, {"icmp_type": 8, "icmp_code": 0}),
        ({**ANY, "group": "web"}, {"cidr": None}),
        ({**ANY, "ip_version": 6, "cidr": "fd00::/8"}, {"cidr": "fd00::/8"}),
    ],
)
def test_a_rule_is_shown_as_it_is_meant(
    api: Api, group: dict[str, Any], rule: dict[str, Any], shows: dict[str, Any]
) -> None:
    added(api, group, rule | {"description": "x"})
    body = shown(api, f"/security-groups/{group['id']}")["rules"][-1]
    assert body["description"] == "x"
    assert {name: body[name] for name in shows} == shows
    assert (body["group"] == group["id"]) == ("group" in rule)
    (same,) = (
        row
        for row in api.get("/security-group-rules").json()["results"]
        if row["id"] == body["id"]
    )
    assert {name: same[name] for name in body} == body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "default"}, ("#/name", "reserved")),
        ({"name": "Default"}, ("#/name", "reserved")),
        ({"rules": [SSH, SSH]}, ("#/rules/1", "repeated")),
        ({"rules": [SSH] * 501}, ("#/rules", "max_length")),
        ({"rules": SSH}, ("#/rules", "not_a_list")),
        ({"rules": ["x"]}, ("#/rules/0", "invalid")),
        ({"stateful": False}, ("#/stateful", "unknown")),
    ],
)
def test_a_group_that_is_none(
    api: Api, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    answer = api.post("/security-groups", {"name": "new", **body})
    assert errors(answer) == [expected]


def test_rules_have_quotas(api: Api, group: dict[str, Any]) -> None:
    path = f"/projects/{group['project']}/quota"
    api.patch(path, {"security_group_rules": {"limit": 3}})
    answer = api.post(f"/security-groups/{group['id']}/rules", SSH)
    refused = problem(answer, 403, "resource-limit-exceeded")
    assert (refused["limit"], refused["used"]) == (3, 3)
    assert len(rules_of(api, group)) == 3
