"""Pages that show new events without a reload, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.chromium import Chromium, chromium
from tests.support.deployed import eventually, run
from tests.support.runserver import Served, environment, migrate, serving

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


def test_a_page_says_that_it_is_not_connected(
    service: Served, browser: Chromium
) -> None:
    browser.open(f"{service.url}/api/v1/events?project={project(service)}")
    sign = "document.querySelector('.connection').innerText"
    eventually(lambda: browser.value(sign) == "Live", what="a stream", log=service.log)
    service.process.kill()
    eventually(
        lambda: browser.value(sign) == "Not connected", what="the sign", log=service.log
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
