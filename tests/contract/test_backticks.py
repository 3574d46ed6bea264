"""Backticks are for those who read text; pages show code as code."""

import html
import re

import pytest
from django.contrib import admin
from django.test import Client

from compute.api.http.problems import registry
from compute.api.http.renderers import with_code
from tests.support.api import operator

pytestmark = pytest.mark.once


@pytest.fixture
def browser(db: None) -> Client:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(operator())
    return client


def raw_backticks(browser: Client, path: str) -> list[str]:
    """Return the lines of a page with a backtick, but for JSON and what was typed."""
    page = browser.get(path).content.decode()
    text = re.sub(r"<(script|pre|textarea)\b.*?</\1>", "", page, flags=re.DOTALL)
    lines = re.sub(r"<[^>]*>", "\n", text).splitlines()
    return [html.unescape(line) for line in lines if "`" in line]


def test_of_every_problem(browser: Client) -> None:
    assert not raw_backticks(browser, "/problems")
    for code in registry():
        assert not raw_backticks(browser, f"/problems/{code}"), code
    page = browser.get("/problems/not-acceptable").content.decode()
    assert "<code>application/json</code>" in page


@pytest.mark.parametrize(
    "path", ["", "vms", f"vms/{'0' * 8}-0000-4000-8000-{'0' * 12}/actions/reboot"]
)
def test_in_the_browsable_api(browser: Client, path: str) -> None:
    assert not raw_backticks(browser, f"/api/v1/{path}")


def test_in_the_console(browser: Client) -> None:
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for page in (path, f"{path}add/"):
            assert not raw_backticks(browser, page), page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("`<b>` & `c", "<code>&lt;b&gt;</code> &amp; `c"),
        ("``", "``"),
    ],
)
def test_only_code_becomes_markup(text: str, expected: str) -> None:
    assert with_code(text) == expected
