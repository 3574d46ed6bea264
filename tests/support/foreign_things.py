"""What of another project somebody might put into a body or a query, and where."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from compute.models import FloatingIP, Keypair
from tests.support.call import Call
from tests.support.populated_projects import Place
from tests.support.webhook_calls import RECEIVER


def named_in_bodies(
    ours: Place, theirs: Place
) -> Iterator[tuple[str, dict[str, Any], str, object]]:
    """Yield path, body, and where in it something of theirs stands: networks/0."""
    vm = {"name": "new", "flavor": "m1.small", "image": "ubuntu-22.04"}
    actions = f"/api/v1/vms/{ours.vm.pk}/actions"
    images = theirs.image.pk, theirs.image.provider_id, theirs.image.name
    yield "/api/v1/vms", vm, "project", theirs.project.pk
    yield "/api/v1/api-tokens", {"name": "new"}, "project", theirs.project.pk
    webhook = {"name": "new", "url": RECEIVER}
    yield "/api/v1/webhooks", webhook, "project", theirs.project.pk
    for image in images:
        mine = {**vm, "project": str(ours.project.pk)}
        yield "/api/v1/vms", mine, "image", image
        yield f"{actions}/rebuild", {}, "image", image
    for snapshot in (theirs.snapshot.pk, theirs.snapshot.name):
        yield f"{actions}/restore", {}, "snapshot", snapshot
    for path, body, field, thing in network_things_in_bodies(ours):
        for name in (theirs.ids[thing], names_of(theirs)[thing]):
            yield f"/api/v1/{path}", body, field, name


def names_of(place: Place) -> dict[str, str]:
    """Return the name of each thing that a body may name."""
    return {
        "vm": place.vm.name,
        "network": f"{place.name}-network",
        "spare_network": f"{place.name}-spare",
        # Those that are made with a network have its name.
        "subnet": f"{place.name}-network",
        "spare_subnet": f"{place.name}-spare",
        "group": f"{place.name}-group",
    }


def network_things_in_bodies(
    ours: Place,
) -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """Yield path, body, a pointer into it, and the name in `Place.ids` of its value."""
    project = {"project": str(ours.project.pk)}
    vm = {"name": "new", "flavor": "m1.small", "image": "ubuntu-22.04", **project}
    own_network, own_group = str(ours.ids["network"]), str(ours.ids["group"])
    rule = {"direction": "ingress"}
    for network in ("network", "spare_network"):
        yield "vms", {**vm, "networks": [None]}, "networks/0", network
        second = {**vm, "networks": [own_network, None]}
        yield "vms", second, "networks/1", network
        wish = {**vm, "networks": [{"ip": "10.1.0.77"}]}
        yield "vms", wish, "networks/0/network", network
        attach = f"vms/{ours.vm.pk}/actions/attach-network"
        yield attach, {}, "network", network
        yield attach, {"ip": "10.2.0.77"}, "network", network
        detach = f"vms/{ours.vm.pk}/actions/detach-network"
        yield detach, {}, "network", network
        subnet = {"name": "new", "cidr": "10.9.0.0/24", **project}
        yield "subnets", subnet, "network", network
        yield "routers", {"name": "new", **project}, "external_network", network
        router = f"routers/{ours.ids['router']}/actions"
        yield f"{router}/set-gateway", {}, "network", network
        yield "floating-ips", project, "network", network
        yield "floating-ips", {**project, "vm": str(ours.vm.pk)}, "network", network
    for subnet_of in ("subnet", "spare_subnet"):
        for verb in ("attach-subnet", "detach-subnet"):
            yield f"{router}/{verb}", {}, "subnet", subnet_of
    set_groups = f"vms/{ours.vm.pk}/actions/set-security-groups"
    for path, body in (("vms", vm), (set_groups, {})):
        one: list[Any] = [None]
        two = [own_group, None]
        yield path, {**body, "security_groups": one}, "security_groups/0", "group"
        yield path, {**body, "security_groups": two}, "security_groups/1", "group"
    made = {"name": "new", **project, "rules": [rule, rule]}
    yield "security-groups", made, "rules/1/group", "group"
    rules = f"security-groups/{own_group}/rules"
    yield rules, rule, "group", "group"
    yield rules, {"rules": [rule, rule]}, "rules/1/group", "group"
    yield "floating-ips", project, "vm", "vm"
    floating_ip = f"floating-ips/{ours.ids['floating_ip']}/actions/attach"
    yield floating_ip, {}, "vm", "vm"
    yield floating_ip, {"force": True}, "vm", "vm"


def put_in(body: Any, field: str, thing: object) -> Any:
    """Return a body with something at a place of it: rules/1/group."""
    first, _, rest = field.partition("/")
    key: Any = int(first) if isinstance(body, list) else first
    copy = body.copy()
    copy[key] = put_in(body[key], rest, thing) if rest else str(thing)
    return copy


def filter_values(name: str, call: Call, theirs: Place) -> list[object]:
    """Return what of theirs a list might be asked for; KeyError for a new filter."""
    ids = theirs.ids
    words = [theirs.name, str(ids[call.shows])[:8]]
    fingerprint = Keypair.objects.get(pk=ids["keypair"]).fingerprint
    values: dict[str, list[object]] = {
        "id": [ids[call.shows]],
        "project": [ids["project"]],
        "vm": [ids["vm"]],
        "operation": [ids["operation"]],
        "target": [ids["vm"], ids["snapshot"], ids["network"], ids["floating_ip"]],
        "image": [ids["image"], theirs.image.provider_id, "ubuntu-22.04"],
        "flavor": [ids["flavor"], "m1.small"],
        "name": [theirs.snapshot.name, theirs.name, *names_of(theirs).values()],
        "name__contains": [theirs.name],
        "search": [*words, theirs.vm.addresses[0]["ip"]],
        "label_selector": [f"{theirs.name}-key", f"{theirs.name}-key!=x"],
        "actor": [f"user:{theirs.name}-admin"],
        "request_id": [f"req-{theirs.name}"],
        "status": ["ACTIVE,BUILD", "AVAILABLE", "SUCCEEDED,PENDING"],
        "type": ["vm.create,vm.stop", "vm.created,vm.updated", "vm.*"],
        "subject": [f"vms/{ids['vm']}", f"networks/{ids['network']}"],
        "outcome": ["SUCCEEDED"],
        "cloud": ["default"],
        "fingerprint": [quote(fingerprint)],
        "network": [ids["network"], ids["spare_network"]],
        "security_group": [ids["group"]],
        "address": [FloatingIP.objects.get(pk=ids["floating_ip"]).address],
        "external": ["false"],
        "shared": ["false"],
        "direction": ["ingress", "egress"],
        "enabled": ["true"],
        "event_type": ["webhook.tested"],
    }
    for suffix, time in (("gte", "2000-01-01"), ("lt", "2100-01-01")):
        for column in ("created_at", "updated_at"):
            values[f"{column}__{suffix}"] = [f"{time}T00:00:00Z"]
    return values[name]
