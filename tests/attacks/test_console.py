"""The cloud hangs, and many look at consoles: it takes a few threads, not all of them."""

import time
from collections.abc import Iterator

import pytest

from providers.mock import MockCloud
from tests.support.serving import MARKS, Crowd, Ground, Service, shell

pytestmark = MARKS

#: Makes VMs with servers in the mock cloud, and prints the id of one.
VMS = """
from django.core.management import call_command
from compute.models import VM
call_command("seed_demo", "--vms", "20", verbosity=0)
print(VM.objects.alive().filter(status="ACTIVE").exclude(server_id="").first().pk)
"""


@pytest.fixture(scope="module")
def vm(ground: Ground) -> str:
    return shell(ground.env, VMS).splitlines()[-1]


@pytest.fixture
def hanging_cloud(ground: Ground) -> Iterator[None]:
    cloud = MockCloud(path=ground.cloud)
    cloud.controls.inject("servers.get_console_log", kind="hang", delay=60, times=0)
    yield
    cloud.controls.clear_faults()
    cloud.close()


@pytest.mark.usefixtures("hanging_cloud")
def test_twenty_four_readers_of_consoles_slow_nobody_down(
    service: Service, vm: str
) -> None:
    readers, path = Crowd(), f"/vms/{vm}/console-log"
    readers.add(24, lambda: service.api("GET", path))
    time.sleep(0.5)
    assert service.slowest("/health") < 1
    assert service.slowest("/api/v1/vms?per_page=5") < 1
    answers = readers.all()
    refused = [a for a in answers if a.body["code"] == "cloud-busy"]
    asked = [a for a in answers if a.body["code"] == "openstack-timeout"]
    assert len(refused) + len(asked) == 24
    assert asked
    assert max(answer.seconds for answer in asked) < 7
    assert refused
    assert all((a.status, a.headers["Retry-After"]) == (503, "5") for a in refused)
    assert max(answer.seconds for answer in refused) < 3
