"""Pages that show new events without a reload, in a real browser."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.chromium import Chromium, chromium
from tests.support.deployed import eventually, run
from tests.support.readme import FOLLOW_IN_BROWSER
from tests.support.runserver import WSGI, Served, environment, migrate, serving

pytestmark = [pytest.mark.e2e, pytest.mark.once]

PASSWORD = "correct horse"  # pragma: allowlist secret
SOMEBODY = f"""
from compute.models import User
User.objects.create_superuser("olga", password="{PASSWORD}")
"""
LOG_IN = f"""
document.querySelector("[name=username]").value = "olga";
document.querySelector("[name=password]").value = "{PASSWORD}";
document.querySelector("#login-form").submit();
"""

#: An event that a page which has seen all before it can no longer follow from.
LONG_AGO = """
from datetime import timedelta
import time_machine
from django.utils import timezone
from compute import events
from compute.events import Actor
from compute.models import Project
with time_machine.travel(timezone.now() - timedelta(days=30)):
    events.record("vm.updated", actor=Actor("system"), project=Project.objects.default())
"""
LOG_OUT = """
from compute.events import Actor
from compute.models import Login
from compute.services import logins
logins.revoke(Login.objects.get(), actor=Actor("system"))
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    migrate(tmp_path)
    made = run(
        ["python", "manage.py", "shell", "-v", "0", "-c", SOMEBODY],
        environment(tmp_path),
    )
    assert made.returncode == 0, made.stderr
    with serving(tmp_path) as service:
        service.listens()
        yield service


@pytest.fixture
def browser(service: Served, tmp_path: Path) -> Iterator[Chromium]:
    """An operator's, on a phone; nothing marks a page that is not loaded again."""
    with chromium(tmp_path / "profile") as browser:
        browser.resize(390, 844)
        browser.open(f"{service.url}/admin/login/?next=/admin/password_change/")
        browser.value(LOG_IN)
        eventually(
            lambda: browser.value("location.pathname") == "/admin/password_change/",
            what="logging in",
            log=service.log,
        )
        yield browser


def project(service: Served) -> str:
    answer = requests.get(f"{service.url}/api/v1/projects", timeout=60)
    return str(answer.json()["results"][0]["id"])


def happen(service: Served, name: str) -> str:
    """Have one event happen; return its id."""
    api = f"{service.url}/api/v1"
    assert requests.post(f"{api}/keypairs", json={"name": name}, timeout=60).ok
    events = requests.get(f"{api}/events?type=keypair.created", timeout=60).json()
    return str(events["results"][0]["id"])


def says(browser: Chromium, service: Served, words: str) -> None:
    sign = "document.querySelector('.connection').innerText"
    eventually(lambda: browser.value(sign) == words, what=words, log=service.log)


def shell(folder: Path, code: str) -> None:
    command = ["python", "manage.py", "shell", "-v", "0", "-c", code]
    done = run(command, environment(folder))
    assert done.returncode == 0, done.stderr


def shows_without_reload(browser: Chromium, service: Served, name: str) -> None:
    browser.value("window.isSamePage = true")
    assert browser.value("document.documentElement.scrollWidth") <= 390
    event = happen(service, name)
    eventually(
        lambda: browser.value(
            f"document.querySelector('a[href*=\"{event}\"]') != null"
        ),
        what="the event on the page",
        log=service.log,
    )
    assert browser.value("window.isSamePage")
    assert browser.value("document.querySelector('.connection').innerText") == "Live"


def test_the_overview_and_the_events_get_an_event_without_reload(
    service: Served, browser: Chromium
) -> None:
    for name, path in (
        ("overview", "/admin/"),
        ("console", "/admin/compute/event/"),
        ("streamed", f"/api/v1/events?project={project(service)}"),
        # No stream has only those that went well.
        ("polled", f"/api/v1/events?project={project(service)}&outcome=SUCCEEDED"),
    ):
        browser.open(f"{service.url}{path}")
        shows_without_reload(browser, service, name)


def create_vm(service: Served) -> None:
    body = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    url = f"{service.url}/api/v1/vms"
    assert requests.post(url, json=body, timeout=60).status_code == 202


def test_the_overview_counts_without_reload(service: Served, browser: Chromium) -> None:
    browser.open(f"{service.url}/admin/")
    browser.value("window.isSamePage = true")
    tile = "document.querySelector('a.tile[href*=\"=ACTIVE\"] strong')?.innerText"
    assert browser.value(tile) is None
    create_vm(service)
    eventually(lambda: browser.value(tile) == "1", what="a VM", log=service.log)
    # What somebody has opened stays open.
    numbers = "document.querySelector('#chart-numbers')"
    browser.value(f"{numbers}.open = true; window.before = {numbers}; 0")
    create_vm(service)
    eventually(
        lambda: browser.value(f"{numbers} != window.before"),
        what="new numbers",
        log=service.log,
    )
    assert browser.value(f"{numbers}.open")
    assert browser.value("window.isSamePage")


def test_a_page_says_that_it_is_not_connected(
    service: Served, browser: Chromium
) -> None:
    browser.open(f"{service.url}/api/v1/events?project={project(service)}")
    says(browser, service, "Live")
    service.process.kill()
    says(browser, service, "Not connected")


def test_a_page_follows_on_by_asking_where_there_are_no_streams(
    service: Served, browser: Chromium, tmp_path: Path
) -> None:
    browser.open(f"{service.url}/api/v1/events?project={project(service)}")
    says(browser, service, "Live")
    service.process.kill()
    says(browser, service, "Not connected")
    with serving(tmp_path, command=WSGI, port=service.port) as other:
        other.listens()
        says(browser, other, "Live")
        shows_without_reload(browser, other, "asked")
        assert "status=501" in other.log.read_text()


def test_a_page_that_slept_too_long_is_loaded_again(
    service: Served, browser: Chromium, tmp_path: Path
) -> None:
    browser.open(f"{service.url}/api/v1/events?project={project(service)}")
    says(browser, service, "Live")
    browser.value("window.isSamePage = true")
    service.process.kill()
    shell(tmp_path, LONG_AGO)
    with serving(tmp_path, port=service.port) as other:
        eventually(
            lambda: browser.value("window.isSamePage") is None,
            what="the page again",
            log=other.log,
        )
        says(browser, other, "Live")
        shows_without_reload(browser, other, "later")


def test_a_stream_ends_with_its_login(
    service: Served, browser: Chromium, tmp_path: Path
) -> None:
    browser.open(f"{service.url}/api/v1/events?project={project(service)}")
    says(browser, service, "Live")
    shell(tmp_path, LOG_OUT)
    says(browser, service, "Not connected")
    # And nobody tries again.
    streams = service.log.read_text().count("/events/stream")
    time.sleep(8)
    assert service.log.read_text().count("/events/stream") == streams


def test_the_javascript_of_the_readme_follows(
    service: Served, browser: Chromium
) -> None:
    api = f"{service.url}/api/v1"
    browser.open(f"{service.url}/api/v1/docs")
    token = requests.post(
        f"{api}/api-tokens", json={"name": "js", "role": "admin"}, timeout=60
    ).json()
    about = {"key": token["token"], "project": project(service)}
    browser.value(f"Object.assign(window, {json.dumps(about)}); null")
    newest = requests.get(f"{api}/vms?project={about['project']}", timeout=60)
    cursor = newest.headers["Event-Cursor"]
    begin = f"window.seen = []; window.show = (event) => seen.push(event); follow('{cursor}')"
    browser.value(f"{FOLLOW_IN_BROWSER}\n{begin}; null")
    vm = {"name": "web-1", "flavor": "m1.small", "image": "ubuntu-22.04"}
    made = requests.post(f"{api}/vms", json=vm, timeout=60).json()
    eventually(
        lambda: browser.value("seen.map((event) => event.subject).join()").startswith(
            f"vms/{made['id']}"
        ),
        what="the event",
        log=service.log,
    )


def test_a_stream_is_shown_in_a_tab(service: Served, browser: Chromium) -> None:
    event = happen(service, "before")
    path = f"/api/v1/events/stream?project={project(service)}&after=000000000000"
    # It never has all of it.
    browser.call("Page.navigate", url=f"{service.url}{path}")
    eventually(
        lambda: event in (browser.value("document.body?.innerText") or ""),
        what="the event in the tab",
        log=service.log,
    )
