"""A cloud that fails, or that nothing asks: on the overview, and above every page."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute.models import Cloud, CloudService
from providers.mock import MockCloud
from tests.conftest import observe
from tests.support.console import Operator, permission, staff

BANNER = '<ul class="stale">'
PAGES = ("", "compute/vm/", "compute/vm/add/", "compute/cloud/", "password_change/")


def service(name: str = "compute", *, cloud: str = "default", **fields: Any) -> None:
    row, _ = Cloud.objects.get_or_create(alias=cloud)
    CloudService.objects.create(cloud=row, service=name, **fields)


def banner(page: str) -> str:
    return page.partition(BANNER)[2].partition("</ul>")[0]


def test_a_cloud_that_is_away_is_on_every_page(
    operator: Operator, cloud: MockCloud
) -> None:
    observe()
    answered = CloudService.objects.get(service="compute").observed_at
    assert answered is not None
    assert BANNER not in operator.get("")
    cloud.controls.inject("servers.list_all", kind="fail", status=503)
    observe()
    for path in PAGES:
        told = banner(operator.get(path))
        assert "Cloud default is failing" in told, path
        assert "(compute)" in told
        assert f"out of date since {answered:%Y-%m-%d %H:%M:%S} UTC" in told


def test_one_that_has_never_answered_says_so(operator: Operator) -> None:
    service(failures=1, last_error="No route to host")
    service("network", failures=2, last_error="Nobody listens")
    told = banner(operator.get(""))
    assert "(compute, network)" in told
    assert "It has never answered." in told
    assert "No route to host" in told
    assert told.count("<li>") == 1


def test_one_that_nothing_asks_is_told_of(operator: Operator) -> None:
    now = timezone.now()
    service(observed_at=now, next_pass_at=now - timedelta(seconds=50))
    assert BANNER not in operator.get("")
    CloudService.objects.update(next_pass_at=now - timedelta(seconds=70))
    page = operator.get("")
    assert "Cloud default is not observed" in banner(page)
    assert "check that a worker runs" in banner(page)
    assert "not asked" in page
    # A pass that takes long is one.
    CloudService.objects.update(pass_lease_until=now + timedelta(minutes=1))
    assert BANNER not in operator.get("")


def test_a_cloud_that_was_taken_out_is_not_told_of(operator: Operator) -> None:
    service(cloud="former", failures=9, last_error="No route to host")
    page = operator.get("")
    assert BANNER not in page
    assert "former" not in page


def test_each_service_has_a_line(operator: Operator, settings: Settings) -> None:
    settings.PROVIDERS = {**settings.PROVIDERS, "other": {}}
    now = timezone.now()
    service(observed_at=now - timedelta(seconds=30))
    service(
        "network",
        observed_at=now - timedelta(minutes=9),
        failures=3,
        last_error="No route to host",
    )
    page = operator.get("").partition('id="overview-clouds"')[2]
    lines = page.partition("</ul>")[0].split("<li>")[1:]
    assert [line.partition("</a>")[0].rpartition(">")[2] for line in lines] == [
        "default compute",
        "default network",
        "other",
    ]
    assert "answers" in lines[0]
    assert "30 s ago" in lines[0]
    since = now - timedelta(minutes=9)
    assert "failed 3 times" in lines[1]
    assert f"Since {since:%Y-%m-%d %H:%M:%S} UTC: No route to host" in lines[1]
    assert "never observed" in lines[2]


def test_who_may_not_see_clouds_is_told_nothing_and_costs_nothing(db: None) -> None:
    service(failures=1, last_error="No route to host")
    asked = {}
    for name, codenames in (("ivan", ["view_vm"]), ("bea", ["view_vm", "view_cloud"])):
        visitor = staff(name, *map(permission, codenames))
        visitor.get("compute/vm/")
        with CaptureQueriesContext(connection) as queries:
            page = visitor.get("compute/vm/")
        asked[name] = [
            query["sql"] for query in queries if "cloudservice" in query["sql"]
        ]
        assert (BANNER in page) == (name == "bea")
        assert "No route to host" in page or name == "ivan"
    assert asked["ivan"] == []
    assert len(asked["bea"]) == 1
