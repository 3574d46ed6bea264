"""Random actions on a project by several people at once, of which many are refused."""

import http.client
import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.ssh_keys import ed25519_line

#: A method, a path below /api/v1, and a body.
Request = tuple[str, str, Any]

VERBS = (
    *("stop", "start", "reboot", "pause", "unpause", "suspend", "resume", "shelve"),
    *("unshelve", "rescue", "unrescue", "resize", "rebuild", "restore"),
    *("attach-network", "detach-network", "set-security-groups"),
)
NOUNS = (
    *("vms", "snapshots", "keypairs", "networks", "subnets", "routers"),
    *("floating-ips", "security-groups", "api-tokens"),
)


class Things:
    """What there is as far as those who act know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, list[str]] = {noun: [] for noun in NOUNS}

    def add(self, noun: str, id: str) -> None:
        with self._lock:
            self._ids[noun].append(id)

    def forget(self, noun: str, id: str) -> None:
        with self._lock:
            if id in self._ids[noun]:
                self._ids[noun].remove(id)

    def one(self, choose: random.Random, noun: str) -> str:
        """Return the id of one of a noun; now and then of none."""
        with self._lock:
            ids = self._ids[noun]
            if not ids or choose.random() < 0.02:
                return "0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11"
            return choose.choice(ids[-30:])


class Person:
    """Acts, one action after the other, as a random number generator says."""

    def __init__(self, port: int, token: str, things: Things, seed: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self._things = things
        self._random = random.Random(seed)  # noqa: S311  # the same each time
        #: How the answers were.
        self.statuses: Counter[int] = Counter()

    def leave(self) -> None:
        self._connection.close()

    def act(self) -> None:
        choose = self._random
        make = choose.choices(list(KINDS), list(KINDS.values()))[0]
        method, path, body = make(self)
        status, document = self.send(method, path, body)
        self.statuses[status] += 1
        assert status < 500, (method, path, body, document)
        noun, *rest = path.split("/")
        if method == "POST" and status in (201, 202):
            made = "snapshots" if rest[1:] == ["snapshots"] else noun
            if not rest or made == "snapshots":
                self._things.add(made, document["id"])
        elif status == 404 or (method == "DELETE" and status < 300):
            self._things.forget(noun, rest[0])

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1/{path}", content, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else {}

    def one(self, noun: str) -> str:
        return self._things.one(self._random, noun)

    def any(self, *values: Any) -> Any:
        return self._random.choice(values)

    def name(self) -> str:
        return f"thing-{self._random.randrange(10**9)}"


def _create_vm(person: Person) -> Request:
    body = {
        "name": person.name(),
        "flavor": person.any("m1.small", "m1.small", "m1.medium", "no-such"),
        "image": "ubuntu-22.04",
        "labels": {"env": person.any("prod", "test")},
    }
    if person.any(True, False, False):
        body["networks"] = [person.one("networks")]
    return "POST", "vms", body


def _act_on_vm(person: Person) -> Request:
    vm = person.one("vms")
    verb = person.any(*VERBS)
    if person.any(True, True, True, False):  # who looks before
        _, shown = person.send("GET", f"vms/{vm}")
        allowed = set(shown.get("allowed_actions", ())).intersection(VERBS)
        verb = person.any(*(sorted(allowed) or VERBS))
    bodies: Mapping[str, Callable[[], Any]] = {
        "resize": lambda: {"flavor": person.any("m1.small", "m1.medium")},
        "rebuild": lambda: {"image": "ubuntu-22.04"},
        "restore": lambda: {"snapshot": person.one("snapshots")},
        "attach-network": lambda: {"network": person.one("networks")},
        "detach-network": lambda: {"network": person.one("networks")},
        "set-security-groups": lambda: {
            "security_groups": [person.one("security-groups")]
        },
    }
    return (
        "POST",
        f"vms/{vm}/actions/{verb}",
        bodies.get(verb, lambda: None)(),
    )


def _snapshot(person: Person) -> Request:
    return "POST", f"vms/{person.one('vms')}/snapshots", {"name": person.name()}


def _change(person: Person) -> Request:
    noun = person.any("vms", "vms", "vms", *NOUNS[1:2], *NOUNS[3:8])
    changed = person.any(
        {"labels": {"n": person.name()}},
        {"description": person.name()},
        {"name": person.name()},
    )
    return "PATCH", f"{noun}/{person.one(noun)}", changed


def _create_other(person: Person) -> Request:
    block = f"10.{person.any(*range(1, 250))}.{person.any(*range(250))}.0/24"
    name = {"name": person.name()}
    rule = {"direction": "ingress", "protocol": person.any("tcp", "udp")}
    bodies: Mapping[str, Callable[[], Any]] = {
        "keypairs": lambda: {**name, "public_key": ed25519_line()},
        "networks": lambda: {**name, "cidr": block},
        "subnets": lambda: {**name, "network": person.one("networks"), "cidr": block},
        "routers": lambda: name,
        "floating-ips": lambda: name,
        "security-groups": lambda: {**name, "rules": [rule]},
        "api-tokens": lambda: {**name, "role": "reader"},
    }
    noun = person.any(*bodies)
    return "POST", noun, bodies[noun]()


def _act_on_other(person: Person) -> Request:
    router, group = person.one("routers"), person.one("security-groups")
    address, subnet = person.one("floating-ips"), person.one("subnets")
    rules = [{"direction": "ingress", "protocol": person.any("tcp", "icmp")}]
    request: Request = person.any(
        ("POST", f"routers/{router}/actions/attach-subnet", {"subnet": subnet}),
        ("POST", f"routers/{router}/actions/detach-subnet", {"subnet": subnet}),
        ("POST", f"routers/{router}/actions/set-gateway", {"network": None}),
        ("POST", f"floating-ips/{address}/actions/attach", {"vm": person.one("vms")}),
        ("POST", f"floating-ips/{address}/actions/detach", {}),
        ("POST", f"subnets/{subnet}/actions/configure", {"dns_nameservers": []}),
        ("POST", f"security-groups/{group}/rules", rules[0]),
        ("PUT", f"security-groups/{group}/rules", {"rules": rules}),
    )
    return request


def _delete(person: Person) -> Request:
    noun = person.any("vms", "vms", "vms", *NOUNS[1:])
    return "DELETE", f"{noun}/{person.one(noun)}", None


#: What people do -> how often.
KINDS: Mapping[Callable[[Person], Request], int] = {
    _create_vm: 12,
    _act_on_vm: 40,
    _snapshot: 6,
    _change: 16,
    _create_other: 14,
    _act_on_other: 8,
    _delete: 10,
}


def perform(
    people: "list[Person]", count: int, between: Mapping[int, Callable[[], object]]
) -> None:
    """Have people act so many times together, and do something else in between.

    ``between`` has the number of the action before which it is done.
    """
    numbers = itertools.count()
    failures: list[BaseException] = []

    def act(person: Person) -> None:
        try:
            while (number := next(numbers)) < count and not failures:
                if number in between:
                    between[number]()
                    person.leave()  # the server closes what is silent for ten seconds
                person.act()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=act, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
