"""Every page for people fits on a phone; a real browser measures it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from compute.limits import MAX_NAME
from compute.models import User
from compute.services import vms
from tests.conftest import ALICE
from tests.support.chromium import Chromium, chromium
from tests.support.console import Operator
from tests.support.factories import (
    APITokenFactory,
    ProjectFactory,
    SnapshotFactory,
    VMFactory,
)
from tests.support.rows import one_of_each

pytestmark = [pytest.mark.e2e, pytest.mark.once]

WIDTH = 390
#: What is left and right of the content.
MARGINS = 40


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "profile") as browser:
        browser.resize(WIDTH, 844)
        yield browser


def paths(user: User) -> Iterator[str]:
    """Yield every kind of page there is."""
    console = "/admin/compute"
    yield "/admin/"
    yield from (
        f"{console}/{kind}/add/"
        for kind in (
            *("vm", "keypair", "project", "user", "apitoken"),
            *("network", "router", "floatingip", "securitygroup"),
        )
    )
    yield from ("/admin/auth/group/", "/admin/auth/group/add/")
    yield "/admin/password_change/"
    rows = one_of_each(user)
    for kind, row in rows.items():
        yield f"{console}/{kind}/"
        yield f"{console}/{kind}/{row.pk}/change/"
        if kind in ("vm", "snapshot", "keypair", "project", "network"):
            yield f"{console}/{kind}/{row.pk}/delete/"
    yield from ("/api/v1/", "/api/v1/vms?per_page=3", f"/api/v1/vms/{rows['vm'].pk}")
    yield from ("/problems", "/problems/operation-in-progress")
    yield from ("/api/v1/docs", "/api/v1/docs/guides/waiting")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_no_page_is_wider_or_narrower_than_the_screen(
    phone: Chromium, live_server: LiveServer
) -> None:
    operator = Operator(User.objects.create_superuser("olga", password="x"))
    session = operator.client.cookies["sessionid"].value
    phone.call(
        "Network.setCookie", name="sessionid", value=session, url=live_server.url
    )
    wrong = []
    for path in paths(operator.user):
        phone.open(f"{live_server.url}{path}")
        title = phone.value("document.title")
        assert "Log in" not in title, path
        # A page that is wider makes a phone show all of it, and the letters small.
        page = phone.value("innerWidth")
        content = phone.value(
            "(document.querySelector('#content') ?? document.body)"
            ".getBoundingClientRect().width"
        )
        if page != WIDTH or content < WIDTH - MARGINS:
            wrong.append(f"{path} ({title}): page {page}, content {content}")
    assert wrong == []


@pytest.mark.parametrize(("width", "widest"), [(WIDTH, 300), (1280, 540)])
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_long_name_leaves_room_for_the_rest_of_a_list(
    phone: Chromium, live_server: LiveServer, width: int, widest: int
) -> None:
    name = "x" * MAX_NAME
    vm = VMFactory.create(name=name, project=ProjectFactory.create(name=name))
    SnapshotFactory.create(name=name, vm=vm)
    APITokenFactory.create(name=name, project=vm.project)
    vms.act(vm, "stop", actor=ALICE)
    operator = Operator(User.objects.create_superuser("olga", password="x"))
    session = operator.client.cookies["sessionid"].value
    phone.call(
        "Network.setCookie", name="sessionid", value=session, url=live_server.url
    )
    phone.resize(width, 844)
    for kind in ("vm", "snapshot", "operation", "event", "project", "apitoken"):
        phone.open(f"{live_server.url}/admin/compute/{kind}/")
        found = phone.value(
            "Math.max(...[...document.querySelectorAll('#result_list tbody tr > *')]"
            ".map(cell => cell.offsetWidth))"
        )
        assert 0 < found <= widest, (kind, found)
