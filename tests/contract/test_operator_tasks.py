"""What operators do, in a real browser: on a desk by day, on a phone at night."""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.mock import MockCloud
from tests.support.chromium import chromium
from tests.support.console import NOUNS
from tests.support.deployed import ROOT, run
from tests.support.runserver import RUNSERVER, Served, environment, migrate, serving
from tests.support.visitor import Visitor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.once,
    pytest.mark.xdist_group("operator_tasks"),
]

log = logging.getLogger(__name__)

PASSWORD = "correct horse"  # pragma: allowlist secret
#: After a month of use; who ran it is an operator, and has a colleague.
FURNISH = f"""
from compute.models import User
User.objects.create_superuser("olga", password="{PASSWORD}")
"""
#: The names and servers of VMs that run in the cloud that answers at once.
RUNNING = """
from compute.models import VM
rows = VM.objects.filter(status="ACTIVE", project__name="shop", cloud="default")
for row in rows.order_by("name"): print(row.name, row.server_id)
"""
REASON = "The hypervisor has lost its power."
#: It looks at idle clouds every second.
EAGER = ("/usr/bin/env", "OBSERVE_INTERVAL_IDLE_SECONDS=1", *RUNSERVER)
AXE = "axe.run().then((told) => { window.told = told.violations; })"
API_PAGES = (
    *("/api/v1/docs", "/api/v1/docs/guides/getting-started"),
    *("/problems", "/problems/invalid-transition"),
    *("/api/v1/", "/api/v1/vms", "/api/v1/vms?status=nonsense"),
)
SCREENS = {"desk": (1440, 900, "light"), "phone": (390, 844, "dark")}


def manage(data: Path, *arguments: str) -> list[str]:
    done = run(["python", "manage.py", *arguments], environment(data))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@dataclass
class Place:
    """A service that has been used for a month, and its cloud."""

    served: Served
    cloud: MockCloud
    slow: MockCloud
    #: Name and server of VMs that run, for each task to take one.
    running: Iterator[list[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("console")
    migrate(data)
    manage(data, "seed_demo", "--showcase")
    manage(data, "shell", "-v", "0", "-c", FURNISH)
    lines = manage(data, "shell", "-v", "0", "-c", RUNNING)
    with (
        closing(MockCloud(path=str(data / "default.sqlite3"), delay="0")) as cloud,
        closing(MockCloud(path=str(data / "slow.sqlite3"))) as slow,
        serving(data, command=EAGER) as served,
    ):
        served.listens()
        yield Place(served, cloud, slow, (line.split() for line in lines))


@pytest.fixture(scope="module", params=SCREENS)
def screen(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def visitor(
    place: Place, screen: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    """Somebody who has logged in, on a desk or with a phone at night."""
    width, height, scheme = SCREENS[screen]
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.resize(width, height, mobile=width < 768)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.call("Emulation.setEmulatedMedia", features=features)
        visitor = Visitor(browser, place.served.url)
        visitor.go("/admin/")
        visitor.type("username", "olga")
        visitor.type("password", PASSWORD)
        visitor.leave("[type=submit]")
        yield visitor


@pytest.fixture(autouse=True)
def counted(
    visitor: Visitor, screen: str, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Begin on the start page; print the clicks; keep a picture; hear no complaint."""
    visitor.go("/admin/")
    visitor.clicks, begun = 0, time.monotonic()
    yield
    seconds = time.monotonic() - begun
    name = request.node.originalname
    # Both are for people: pytest prints what was logged with --log-cli-level=INFO.
    log.info("%s, %s: %d clicks, %.1f s", name, screen, visitor.clicks, seconds)
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.browser.picture(Path(folder) / f"{name}-{screen}.png")
    assert visitor.heard == []
    assert visitor.fits()


def a_broken_vm(visitor: Visitor, place: Place) -> str:
    """Let a VM fail, and return its name once the service knows."""
    name, server_id = next(place.running)
    place.cloud.controls.poke(server_id, status="ERROR", fault=REASON)
    shown = "document.querySelector('#result_list tbody tr')"
    for _ in range(100):
        visitor.go(f"/admin/compute/vm/?q={name}&status__exact=ERROR")
        if visitor.value(f"!!{shown}"):
            visitor.go("/admin/")
            visitor.clicks = 0
            return name
        time.sleep(0.2)
    raise AssertionError(f"{name} is not in ERROR")


def find(visitor: Visitor, text: str) -> None:
    """Go to the page of a VM by what is known of it."""
    visitor.go("/admin/compute/vm/")
    visitor.type("q", text)
    visitor.leave("[type=submit]", "Search")


def test_find_the_vms_in_error_and_the_reason_of_one(
    visitor: Visitor, place: Place
) -> None:
    name = a_broken_vm(visitor, place)
    visitor.leave("a.tile", "ERROR")
    visitor.sees(name, REASON)
    visitor.click("summary", "Project")
    visitor.leave("a", "shop")
    visitor.sees(name, REASON)
    visitor.leave("#result_list a", name)
    visitor.sees(REASON)


def test_hard_reboot_a_vm_and_see_it_come_back(visitor: Visitor, place: Place) -> None:
    name = a_broken_vm(visitor, place)
    find(visitor, name)
    visitor.leave("#result_list a", name)
    visitor.wait("document.querySelector('.facts .status').innerText === 'ERROR'")
    visitor.click("button", "Reboot…")
    visitor.choose("type", "Hard")
    visitor.leave("dialog button", "Reboot")
    visitor.value("window.stayed = true")
    visitor.wait("document.querySelector('.facts .status').innerText === 'ACTIVE'")
    assert visitor.value("window.stayed")
    assert not visitor.value("!!document.querySelector('.problem')")


def test_find_who_stopped_a_vm(visitor: Visitor) -> None:
    visitor.go("/admin/compute/operation/?type=vm.stop")
    name = visitor.value(
        "document.querySelector('#result_list .field-target a').innerText"
    )
    visitor.go("/admin/")
    visitor.clicks = 0
    find(visitor, name)
    visitor.leave("#result_list a", name)
    visitor.leave(".tabs a", "Operations")
    visitor.sees("vm.stop", "user:")


def test_cancel_a_create(visitor: Visitor, screen: str) -> None:
    create(visitor, f"late-{screen}", cloud="slow")
    visitor.leave("button", "Cancel it")
    visitor.sees("cancelled")


def create(visitor: Visitor, name: str, *, cloud: str) -> None:
    visitor.go("/admin/compute/vm/add/")
    visitor.type("name", name)
    visitor.choose("flavor", "m1.small: 1 vCPU, 2 GB RAM, 20 GB disk")
    visitor.choose("image", "debian-12")
    visitor.choose("cloud", cloud)
    visitor.choose("project", "shop")
    visitor.wait("document.querySelector('#preview').innerText.includes('vCPUs')")
    visitor.leave("[type=submit]", "Create")
    visitor.sees(f"VM {name}")


def test_create_a_vm_from_lists(visitor: Visitor, screen: str) -> None:
    create(visitor, f"new-{screen}", cloud="default")
    visitor.wait("document.querySelector('.facts .status').innerText === 'ACTIVE'")


def test_resize_a_vm(visitor: Visitor, place: Place) -> None:
    name, _ = next(place.running)
    find(visitor, name)
    visitor.leave("#result_list a", name)
    visitor.click("button", "Resize…")
    larger = "[...document.querySelectorAll('#ask-resize option')].at(-1).text"
    flavor, _, size = visitor.value(larger).partition(": ")
    visitor.choose("flavor", flavor)
    visitor.leave("dialog button", "Resize")
    size = size.partition(" (")[0]
    visitor.wait(f"document.querySelector('.facts').innerText.includes('{size}')")


def test_find_a_vm_by_its_address(visitor: Visitor, place: Place) -> None:
    name, server_id = next(place.running)
    (server,) = place.cloud.controls.shown([server_id])
    find(visitor, server.addresses[0].ip)
    visitor.sees(name)
    visitor.leave("#result_list a", name)


def in_bulk(visitor: Visitor, action: str, confirm: str) -> None:
    """Choose all that a list shows, see what would happen, and have it done."""
    visitor.click("#action-toggle")
    visitor.choose("action", action)
    visitor.leave("button[name=index]", "")
    visitor.leave("button", confirm)
    visitor.wait("document.querySelector('#panel').innerText.includes('asked: ')")


def test_reboot_all_of_a_filter_hard(visitor: Visitor) -> None:
    # Whatever others have stopped: some still run.
    visitor.leave("a.tile", "ACTIVE")
    in_bulk(visitor, "Reboot (hard)", "Reboot ")
    visitor.wait("!document.querySelector('#panel').innerText.includes('under way')")
    visitor.sees("succeeded")


def test_stop_fifty_and_follow_the_batch(visitor: Visitor) -> None:
    visitor.leave("a.tile", "ACTIVE")
    in_bulk(visitor, "Stop", "Stop 50 VMs")
    visitor.value("window.stayed = true")
    visitor.wait(
        "document.querySelector('#panel').innerText.includes('50 asked: 50 succeeded')"
    )
    assert visitor.value("window.stayed")


def test_see_a_cloud_fail_and_recover(
    visitor: Visitor, place: Place, screen: str
) -> None:
    # On the desk it shows by itself; the phone was in a pocket, and is looked at again.
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    looks = f"({look}, %s)" if screen == "phone" else "%s"
    place.slow.controls.inject("servers.list_all", kind="refuse", times=0)
    try:
        visitor.wait(
            looks
            % "document.querySelector('.stale a')?.innerText === 'Cloud slow is failing'"
        )
    finally:
        place.slow.controls.clear_faults()
    visitor.wait(looks % "!document.querySelector('.stale a')")


def test_give_a_project_more_quota(visitor: Visitor, screen: str) -> None:
    limit = "31" if screen == "desk" else "32"
    visitor.leave("#overview-quotas a", "sandbox")
    visitor.type("vms", limit)
    visitor.leave("button", "Save limits")
    assert visitor.value("document.querySelector('[name=vms]').value") == limit


def test_make_a_token_for_a_colleague(visitor: Visitor, screen: str) -> None:
    visitor.go("/admin/compute/apitoken/add/")
    visitor.suggested("user", "ada", "ada")
    visitor.suggested("project", "sho", "shop")
    visitor.type("name", f"ci-{screen}")
    visitor.leave("[type=submit]", "Create")
    assert visitor.value("document.querySelector('#secret').value")


def test_every_page_can_be_used_by_all(visitor: Visitor) -> None:
    axe = ROOT / ".cache/axe/node_modules/axe-core/axe.min.js"
    if not axe.exists():
        assert not os.environ.get("CI"), "npm install --prefix .cache/axe axe-core"
        pytest.skip("axe-core is not there")
    pages = ["/admin/", "/admin/password_change/"]
    for noun in NOUNS:
        path = f"/admin/auth/{noun}/" if noun == "group" else f"/admin/compute/{noun}/"
        visitor.go(path)
        pages.append(path)
        first = "document.querySelector('#result_list tbody a')?.pathname"
        add = "document.querySelector('a.addlink[href$=\"/add/\"]')?.pathname"
        pages += filter(None, [visitor.value(first), visitor.value(add)])
    visitor.go("/admin/compute/vm/?status__exact=ACTIVE")
    vm = visitor.value("document.querySelector('#result_list tbody a').pathname")
    tabs = ("operations", "events", "console", "snapshots", "networks", "edit")
    pages += [f"{vm}?tab={name}" for name in tabs]
    pages += API_PAGES
    found = {}
    for page in pages:
        visitor.go(page)
        heard = visitor.heard
        visitor.value(axe.read_text())
        visitor.value(AXE)
        visitor.wait("!!window.told")
        violations = visitor.value(
            "told.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html)])"
        )
        if violations:
            found[page] = violations
        # What it adds to a page to look at it, the page's policy forbids.
        visitor.forget(heard)
        assert visitor.fits(), page
    assert not found, json.dumps(found, indent=1)
