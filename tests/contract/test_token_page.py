"""The way to an API token in a real browser: by keyboard, shown once, and copied."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from compute.models import APIToken, Project, User
from tests.support.chromium import Chromium, chromium
from tests.support.console import Operator
from tests.support.factories import UserFactory

pytestmark = [pytest.mark.e2e, pytest.mark.once]

#: What the content policy stops is counted on every page.
COUNT = """
window.stopped = [];
addEventListener("securitypolicyviolation", (event) => stopped.push(event.blockedURI));
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=COUNT)
        yield browser


def wait_for(browser: Chromium, expression: str) -> None:
    deadline = time.monotonic() + 30
    while not browser.value(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def press_enter(browser: Chromium) -> None:
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    browser.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
    browser.call("Input.dispatchKeyEvent", type="keyUp", **key)


def choose(browser: Chromium, field: str, typed: str, name: str) -> None:
    """Type into a field with suggestions, wait for the one, and take it."""
    box = f"[name={field}] + .select2 [role=combobox]"
    browser.value(f"document.querySelector('{box}').focus()")
    press_enter(browser)
    wait_for(browser, "document.activeElement.matches('.select2-search__field')")
    browser.call("Input.insertText", text=typed)
    best = "document.querySelector('.select2-results__option--highlighted')?.innerText"
    wait_for(browser, f"{best} == '{name}'")
    press_enter(browser)
    assert browser.value(f"document.querySelector('{box}').innerText.trim()") == name


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_token_is_asked_for_by_name_shown_once_and_copied(
    browser: Chromium, live_server: LiveServer, width: int, height: int
) -> None:
    UserFactory.create(username="bobby", is_active=False)
    bob = UserFactory.create(username="bob")
    project = Project.objects.default()
    project.memberships.create(user=bob, role="reader")
    operator = Operator(User.objects.create_superuser("olga", password="x"))
    session = operator.client.cookies["sessionid"].value
    browser.resize(width, height)
    browser.call(
        "Network.setCookie", name="sessionid", value=session, url=live_server.url
    )
    browser.open(f"{live_server.url}/admin/compute/apitoken/add/")
    choose(browser, "user", "bo", "bob")
    choose(browser, "project", "def", "default")
    browser.value("document.querySelector('[name=name]').value = 'ci'")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("stopped") == []
    browser.value("document.querySelector('[type=submit][value=Create]').click()")

    secret = "document.querySelector('#secret')?.value"
    wait_for(browser, secret)
    shown = browser.value(secret)
    token = APIToken.objects.get()
    assert shown.startswith(token.prefix)
    assert browser.value("document.documentElement.scrollWidth") <= width
    # The script shows the button, and may come after the field.
    wait_for(browser, "!document.querySelector('.secret button').hidden")
    browser.value("document.querySelector('.secret button').focus()")
    press_enter(browser)
    told = "document.querySelector('.shown-once [role=status]').innerText"
    wait_for(browser, told)
    field = "document.querySelector('#secret')"
    selected = f"{field}.selectionEnd - {field}.selectionStart"
    assert browser.value(selected) == len(shown)
    assert browser.value("stopped") == []
    browser.value("stopped.isOld = true")

    # A reload shows the token, and asks for no second one.
    browser.call("Page.reload")
    wait_for(browser, "document.readyState == 'complete' && !window.stopped.isOld")
    assert browser.value("location.pathname").endswith(f"{token.pk}/change/")
    assert shown not in browser.value("document.documentElement.outerHTML")
    assert APIToken.objects.count() == 1
