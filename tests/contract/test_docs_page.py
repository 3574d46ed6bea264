"""The documentation in a real browser: samples, search, a token that stays, not a word."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.support.chromium import Chromium, chromium
from tests.support.deployed import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.once]

OPEN = "document.querySelector('#operations-vms-vms_create .samples code')?.innerText"
#: What a reader types, and what leads there.
TYPE = """
(() => {
  const input = document.querySelector('#search');
  input.focus();
  input.value = %r;
  input.dispatchEvent(new Event('input', {bubbles: true}));
})()
"""
FOUND = "document.querySelector('#found [aria-selected=true]')?.innerText ?? ''"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as browser:
        browser.listen()
        yield browser


def comes(browser: Chromium, expression: str, log: Path) -> Any:
    eventually(lambda: browser.value(expression), what=expression, log=log)
    return browser.value(expression)


def press(browser: Chromium, key: str) -> None:
    pressed = {
        "key": key,
        "code": key,
        "windowsVirtualKeyCode": 13 if key == "Enter" else 0,
    }
    text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
    browser.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
    browser.call("Input.dispatchKeyEvent", type="keyUp", **pressed)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_reference_is_searched_and_shows_samples(
    browser: Chromium, live_server: LiveServer, tmp_path: Path
) -> None:
    log = tmp_path / "nothing"
    log.touch()
    docs = f"{live_server.url}/api/v1/docs"
    for width, scheme in ((390, "dark"), (1440, "light")):
        browser.resize(width, 844)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.call("Emulation.setEmulatedMedia", features=[feature])
        browser.open("about:blank")
        browser.open(f"{docs}#/vms/vms_create")
        assert "curl" in comes(browser, OPEN, log)
        is_dark = browser.value("document.documentElement.matches('.dark-mode')")
        assert is_dark == (scheme == "dark")
        assert browser.value("document.documentElement.scrollWidth") == width

    browser.value("document.querySelector('.samples button:nth-of-type(2)').click()")
    assert "requests.post(" in comes(browser, OPEN, log)

    # By keyboard: "/", words, Enter; from the reference to another operation, and a guide.
    press(browser, "/")
    assert browser.value("document.activeElement.id") == "search"
    browser.value(TYPE % "resize vm")
    comes(browser, f"({FOUND}).includes('vms_resize')", log)
    press(browser, "Enter")
    comes(
        browser, "!!document.querySelector('#operations-vms-vms_resize .samples')", log
    )
    browser.value(TYPE % "busy vm")
    comes(browser, f"({FOUND}).includes('A busy VM')", log)
    press(browser, "Enter")
    comes(browser, "location.href.endsWith('/guides/waiting#busy')", log)

    # A token stays over a reload, until one logs out.
    browser.open(docs)
    comes(browser, "!!document.querySelector('.opblock')", log)
    browser.value(
        "ui.authActions.authorizeWithPersistOption({bearer: {name: 'bearer', value: 'osl_x',"
        " schema: {type: 'http', scheme: 'bearer'}}}); null"
    )
    browser.open(docs)
    comes(browser, "!!document.querySelector('.authorize.locked')", log)
    browser.value("ui.authActions.logoutWithPersistOption(['bearer']); null")
    assert browser.value("localStorage.getItem('authorized')") == "{}"
    assert browser.said == []
