"""Bodies of networks that are made to cost much: refused, in time that is linear."""

import time
from typing import Any

import pytest

from compute.models import VM, SecurityGroup, Subnet
from tests.support.api import Api
from tests.support.network_api import VM as NEW_VM

pytestmark = pytest.mark.usefixtures("catalogue")

#: A second on a slow machine is a thousand times what a refusal takes.
SECONDS = 1.0
#: About as many as a body can hold.
MANY = 50_000
RULE = {"direction": "ingress"}
ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
NESTED: Any = []
for _ in range(200):
    NESTED = [NESTED]

BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/vms", {**NEW_VM, "networks": ["a"] * MANY}),
    ("POST", "/vms", {**NEW_VM, "networks": [{"network": "a"}] * 15_000}),
    ("POST", "/vms", {**NEW_VM, "networks": [{}] * MANY}),
    ("POST", "/vms", {**NEW_VM, "networks": [[]] * MANY}),
    ("POST", "/vms", {**NEW_VM, "networks": NESTED}),
    ("POST", "/vms", {**NEW_VM, "networks": [{"network": NESTED}]}),
    ("POST", "/vms", {**NEW_VM, "networks": [{str(n): 0 for n in range(20_000)}]}),
    ("POST", "/vms", {**NEW_VM, "security_groups": ["a"] * MANY}),
    ("POST", "/vms", {**NEW_VM, "security_groups": NESTED}),
    ("POST", f"/vms/{ID}/actions/set-security-groups", {"security_groups": NESTED}),
    ("POST", "/subnets", {"dns_nameservers": ["192.0.2.1"] * 20_000}),
    ("POST", "/subnets", {"allocation_pools": [{}] * MANY}),
    ("POST", "/subnets", {"allocation_pools": [NESTED]}),
    ("POST", "/networks", {"name": "x", "cidr": "1" * 250_000}),
    ("POST", "/networks", {"name": "x", "cidr": NESTED}),
    ("POST", "/networks", {"name": "x", "cidr": ":" * 255}),
    ("POST", "/security-groups", {"name": "x", "rules": [{}] * MANY}),
    ("POST", "/security-groups", {"name": "x", "rules": [RULE] * 10_000}),
    ("POST", "/security-groups", {"name": "x", "rules": [RULE] * 500}),
    ("POST", "/security-groups", {"name": "x", "rules": NESTED}),
    ("POST", "/floating-ips", {"vm": "a" * 250_000}),
    ("POST", "/floating-ips", {str(n): 0 for n in range(20_000)}),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
def test_it_is_refused_at_once(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    begun = time.thread_time()
    answer = api.call(method, path, body)
    seconds = time.thread_time() - begun
    assert answer.status_code in (400, 404), answer.content[:300]
    assert len(answer.content) < 64_000
    assert seconds < SECONDS
    own = (
        Subnet.objects.exclude(project=None),
        SecurityGroup.objects.exclude(project=None),
    )
    assert not VM.objects.exists()
    assert not any(rows.exists() for rows in own)
