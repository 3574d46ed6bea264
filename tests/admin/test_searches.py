"""Lists of the console are filtered and searched."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from compute.models import (
    VM,
)
from tests.support.console import NOUNS, Operator
from tests.support.factories import (
    FlavorFactory,
    ImageFactory,
    ProjectFactory,
    VMFactory,
)

#: A time as an address has it, between those of `three`.
DAYS_AGO = f"{timezone.now() - timedelta(days=5):%Y-%m-%dT00:00Z}"


def names(page: str) -> set[str]:
    """Return which of the VMs of a test a page lists."""
    return {name for name in ("web-1", "db-1", "old-1") if f">{name}</a>" in page}


@pytest.fixture
def three(db: None) -> dict[str, VM]:
    flavor = FlavorFactory.create(name="m7.huge")
    other = ProjectFactory.create(name="lab")
    week = timezone.now() - timedelta(days=9)
    macs = ("fa:16:3e:00:00:07", "fa:16:3e:00:00:08")
    ips = [
        {"ip": "10.0.0.7", "version": 4, "network": "private", "mac": macs[0]},
        {"ip": "2001:db8:0:5::7", "version": 6, "network": "private", "mac": macs[0]},
    ]
    more = {
        "addresses": ips,
        "networks": [{"network": None, "mac": macs[1]}],
        "labels": {"env": "prod"},
        "image": ImageFactory.create(name="debian-12"),
    }
    return {
        "web": VMFactory.create(name="web-1", flavor=flavor, **more),
        "db": VMFactory.create(
            name="db-1", status="SHUTOFF", project=other, cloud="b", created_at=week
        ),
        "old": VMFactory.create(name="old-1", status="DELETED"),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"web-1", "db-1"}),
        ("deleted=all", {"web-1", "db-1", "old-1"}),
        ("deleted=yes", {"old-1"}),
        ("status__exact=SHUTOFF", {"db-1"}),
        ("status__exact=DELETED", {"old-1"}),
        ("cloud=b", {"db-1"}),
        ("cloud=nowhere", set()),
        ("flavor=m7.huge", {"web-1"}),
        (f"created_at__gte={DAYS_AGO}", {"web-1"}),
        (f"created_at__lt={DAYS_AGO}", {"db-1"}),
        (f"created_at__gte={DAYS_AGO}&created_at__lt=2100-01-01T00:00Z", {"web-1"}),
        ("q=WEB", {"web-1"}),
        ("q=10.0.0", {"web-1"}),
        ("q=10.0.0.7", {"web-1"}),
        ("q=10.0.0.70", set()),
        # A network, by its first octets, a part of one, or one address.
        ("q=10.0.0.0/8", {"web-1"}),
        ("q=10.0.0.4/30", {"web-1"}),
        ("q=10.0.0.8/29", set()),
        ("q=10.0.0.7/32", {"web-1"}),
        ("q=10.0.0.0/12", {"web-1"}),
        ("q=0.0.0.0/0", {"web-1"}),
        ("q=0.0.0.0/1", {"web-1"}),
        ("q=128.0.0.0/1", set()),
        ("q=2001:db8::/32", {"web-1"}),
        ("q=2001:db8::/47", {"web-1"}),
        ("q=2001:db8:1::/48", set()),
        ("q=::/0", {"web-1"}),
        ("q=fe80::%251/64", set()),
        ("q=10.0.0.0/33", set()),
        # A MAC as any system writes it, and of a port without an address.
        ("q=FA-16-3E-00-00-07", {"web-1"}),
        ("q=fa16.3e00.0007", {"web-1"}),
        ("q=fa:16:3e:00:00:08", {"web-1"}),
        ("q=fa:16:3e:00:00:09", set()),
        # A label, and the image.
        ("q=env", {"web-1"}),
        ("q=env%3Dprod", {"web-1"}),
        ("q=env%3Dtest", set()),
        ("q=!env", set()),
        ("q=Debian", {"web-1"}),
        ("q=%20", {"web-1", "db-1"}),
        ("q=%F0%9F%92%A9", set()),
    ],
)
def test_vms_are_filtered_and_searched(
    operator: Operator, three: dict[str, VM], query: str, expected: set[str]
) -> None:
    assert names(operator.get(f"compute/vm/?{query}")) == expected


@pytest.mark.parametrize("network", ["::/0", "fa00::/8", "0.0.0.0/0", "10.0.0.0/8"])
def test_what_is_no_address_is_in_no_network(
    operator: Operator, db: None, network: str
) -> None:
    """The column is JSON: a cloud of tomorrow may send anything."""
    odd = ("fa:16:3e:00:00:01", ":", "1::2::3", "", "10.1", "10.1.2.3.4", "x" * 9000)
    addresses = [{"ip": text} for text in odd]
    VMFactory.create(name="web-1", addresses=[*addresses, {"ip": None}, {}])
    VMFactory.create(name="db-1", addresses=[])
    assert names(operator.get(f"compute/vm/?q={network}")) == set()


def test_vms_are_found_by_id_and_project(
    operator: Operator, three: dict[str, VM]
) -> None:
    db = three["db"]
    for query in (f"q={str(db.pk)[:9]}", f"q={db.pk}", f"project={db.project_id}"):
        assert names(operator.get(f"compute/vm/?{query}")) == {"db-1"}
    operator.get("compute/vm/?project=nonsense", status=400)


@pytest.mark.parametrize(
    "search", ["", "web-1", "user:olga", "%20", "0", "req-1", "10.0"]
)
@pytest.mark.parametrize("noun", NOUNS)
def test_any_list_can_be_searched(
    operator: Operator, three: dict[str, VM], noun: str, search: str
) -> None:
    operator.get(f"compute/{noun}/?q={search}")


@pytest.mark.parametrize(
    ("query", "count"),
    [("vanished_at__isempty=1", 1), ("vanished_at__isempty=0", 1), ("", 2)],
)
def test_the_catalogue_tells_what_is_still_offered(
    operator: Operator, db: None, query: str, count: int
) -> None:
    FlavorFactory.create()
    FlavorFactory.create(vanished_at=timezone.now())
    page = operator.get(f"compute/flavor/?{query}")
    assert page.count("field-vcpus") == count


def test_a_filter_offers_a_few_rows_of_a_long_table(
    operator: Operator, db: None
) -> None:
    ProjectFactory.create_batch(30)
    last = ProjectFactory.create(name="zzz")
    page = operator.get("compute/vm/")
    assert page.count("?project=") == 20
    page = operator.get(f"compute/vm/?project={last.pk}")
    assert f'<a href="?project={last.pk}" aria-current="true">' in page
    assert re.search(rf'<a class="chip" href="\?">.*Project: <strong>{last.pk}<', page)


@pytest.mark.parametrize(
    "value",
    ["eternity", "", "2026-13-01", "0001-01-01T00:00%2B14:00", "9" * 5000, "%00"],
)
def test_a_wrong_time_is_refused(
    operator: Operator, three: dict[str, VM], value: str
) -> None:
    operator.get(f"compute/vm/?created_at__gte={value}", status=400)
    operator.get("compute/vm/?created_at__gte=2026-01-01T00:00Z&age=hour", status=400)
