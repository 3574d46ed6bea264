"""Every call to networks and to all that belongs to them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from compute.models import FloatingIP, Port, Subnet
from tests.support.call import API, Call, of_noun
from tests.support.populated_projects import Place


def _leads_nowhere(place: Place) -> None:
    there = FloatingIP.objects.filter(project=place.project)
    there.update(vm=None, port=None, fixed_ip=None)


def _has_no_subnets(place: Place) -> None:
    Subnet.objects.filter(project=place.project).update(router=None)


def _guards_nothing(place: Place) -> None:
    for port in Port.objects.filter(project=place.project):
        port.security_groups.clear()


_RULE = {"direction": "ingress", "protocol": "udp"}


def network_calls() -> Iterator[Call]:
    yield from _networks()
    yield from _subnets()
    yield from _routers()
    yield from _floating_ips()
    yield from _security_groups()


def _collection(
    noun: str, plural: str, key: str, body: Callable[[Place], Any]
) -> Iterator[Call]:
    """Yield the calls to a list of what Neutron has, and to one without its end."""
    yield Call("GET", f"{API}/{plural}", f"{noun}.list", shows=key)
    yield Call(
        "POST",
        f"{API}/{plural}",
        f"{noun}.create",
        sees="project.retrieve",
        unseen=400,
        body=lambda place: {
            "name": "new",
            "project": str(place.project.pk),
            **body(place),
        },
        success=202,
    )
    yield from of_noun(
        noun,
        key,
        f"{API}/{plural}/<uuid:id>",
        Call("GET", "", f"{noun}.retrieve"),
        Call("PATCH", "", f"{noun}.update", body=lambda place: {"name": "other"}),
    )


def _actions(
    noun: str,
    plural: str,
    key: str,
    bodies: Mapping[str, Callable[[Place], Any]],
    prepare: Callable[[Place], object] | None = None,
) -> Iterator[Call]:
    for verb, body in bodies.items():
        yield from of_noun(
            noun,
            key,
            f"{API}/{plural}/<uuid:id>/actions/{verb}",
            Call("POST", "", f"{noun}.{verb}", "", {}, body, prepare, 202),
        )


def _delete(
    noun: str,
    plural: str,
    key: str,
    prepare: Callable[[Place], object] | None = None,
) -> Iterator[Call]:
    call = Call("DELETE", "", f"{noun}.delete", prepare=prepare, success=202)
    yield from of_noun(noun, key, f"{API}/{plural}/<uuid:id>", call)


def _networks() -> Iterator[Call]:
    noun = "network", "networks"
    yield from _collection(*noun, "network", lambda place: {"cidr": "10.9.0.0/24"})
    yield from _delete(*noun, "spare_network")


def _subnets() -> Iterator[Call]:
    noun = "subnet", "subnets"

    def body(place: Place) -> dict[str, str]:
        return {"network": str(place.ids["network"]), "cidr": "10.9.0.0/24"}

    yield from _collection(*noun, "subnet", body)
    configure = {"configure": lambda place: {"dns_nameservers": ["192.0.2.53"]}}
    yield from _actions(*noun, "subnet", configure)
    yield from _delete(*noun, "spare_subnet")


def _routers() -> Iterator[Call]:
    noun = "router", "routers", "router"
    yield from _collection(*noun, lambda place: {})
    bodies: Mapping[str, Callable[[Place], Any]] = {
        "attach-subnet": lambda place: {"subnet": str(place.ids["spare_subnet"])},
        "detach-subnet": lambda place: {"subnet": str(place.ids["subnet"])},
        "set-gateway": lambda place: {"network": None},
    }
    yield from _actions(*noun, bodies, _leads_nowhere)
    yield from _delete(*noun, _has_no_subnets)


def _floating_ips() -> Iterator[Call]:
    noun = "floating-ip", "floating-ips", "floating_ip"
    yield from _collection(*noun, lambda place: {})
    bodies: Mapping[str, Callable[[Place], Any]] = {
        "attach": lambda place: {"vm": str(place.vm.pk)},
        "detach": lambda place: {},
    }
    yield from _actions(*noun, bodies, _leads_nowhere)
    yield from _delete(*noun)


def _security_groups() -> Iterator[Call]:
    noun = "security-group", "security-groups", "group"
    yield from _collection(*noun, lambda place: {"rules": [_RULE]})
    yield from _delete(*noun, _guards_nothing)
    rules = f"{API}/security-groups/<uuid:id>/rules"
    yield from of_noun(
        "security-group",
        "group",
        rules,
        Call("GET", "", "security-group-rule.list"),
        Call(
            "POST",
            "",
            "security-group-rule.create",
            body=lambda place: _RULE,
            success=202,
        ),
        Call(
            "PUT",
            "",
            "security-group.set-rules",
            body=lambda place: {"rules": [_RULE]},
            success=202,
        ),
    )
    rule = Call("DELETE", "", "security-group-rule.delete", success=202)
    for call in of_noun("security-group", "group", f"{rules}/<uuid:rule>", rule):
        yield replace(call, ids={"id": "group", "rule": "rule"})
    yield Call(
        "GET",
        f"{API}/security-group-rules",
        "security-group-rule.list",
        shows="rule",
    )
    yield from of_noun(
        "security-group-rule",
        "rule",
        f"{API}/security-group-rules/<uuid:id>",
        Call("GET", "", "security-group-rule.retrieve"),
        rule,
    )
