from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from compute.models import VM
from tests.support.api import Api, errors
from tests.support.factories import FlavorFactory, SnapshotFactory, VMFactory

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def vms(api: Api) -> dict[str, VM]:
    flavor = FlavorFactory.create(name="huge")
    return {
        "web-1": VMFactory.create(
            name="web-1",
            id="8f2d6c1e-0000-4000-8000-000000000000",
            labels={"env": "prod", "tier": "web"},
            addresses=[{"ip": "10.10.0.12", "version": 4, "network": "private"}],
            created_at=AT.replace(hour=8),
            updated_at=AT.replace(hour=12),
        ),
        "db-1": VMFactory.create(
            name="db-1",
            id="8f2dffff-0000-4000-8000-000000000000",
            status="SHUTOFF",
            labels={"env": "prod", "tier": "db"},
            addresses=[{"ip": "fd00::12", "version": 6, "network": "private"}],
            flavor_name="m1.large",
            flavor=flavor,
            created_at=AT,
            updated_at=AT,
        ),
        "Web 2": VMFactory.create(
            name="Web 2",
            id="11111111-0000-4000-8000-000000000000",
            status="ERROR",
            image_name="debian-12",
            addresses=[{"ip": "10.10.0.120", "version": 4, "network": "private"}],
            created_at=AT.replace(hour=11),
            updated_at=AT.replace(hour=11),
        ),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Web 2", "db-1", "web-1"]),
        ("status=ACTIVE", ["web-1"]),
        ("status=ACTIVE,ERROR", ["Web 2", "web-1"]),
        ("name=web-1", ["web-1"]),
        ("name=web-1,Web 2,nobody", ["Web 2", "web-1"]),
        ("name__contains=WEB", ["Web 2", "web-1"]),
        ("name__contains=%", []),
        ("id=8f2d6c1e-0000-4000-8000-000000000000", ["web-1"]),
        ("flavor=m1.large", ["db-1"]),
        ("flavor=m1.small,m1.large", ["Web 2", "db-1", "web-1"]),
        ("image=debian-12", ["Web 2"]),
        ("created_at__gte=2026-11-23T10:00:00Z", ["Web 2", "db-1"]),
        ("created_at__lt=2026-11-23T10:00:00Z", ["web-1"]),
        ("created_at__gte=2026-11-23T12:00:00+02:00", ["Web 2", "db-1"]),
        ("updated_at__gte=2026-11-23T11:30:00Z", ["web-1"]),
        ("updated_at__lt=2026-11-23t11:00:00z", ["db-1"]),
        ("label_selector=env=prod,tier!=db", ["web-1"]),
        ("label_selector=tier in (db,web)", ["db-1", "web-1"]),
        ("label_selector=!env", ["Web 2"]),
        ("search=web", ["Web 2", "web-1"]),
        ("search=8f2d", ["db-1", "web-1"]),
        ("search=8F2D6C1E-0", ["web-1"]),
        ("search=10.10.0.12", ["web-1"]),
        ("search=10.10.0.", ["Web 2", "web-1"]),
        ("search=FD00::12", ["db-1"]),
        ("search=fd00:", ["db-1"]),
        ("search=private", []),
        ("search=.", []),
        ("status=ACTIVE,SHUTOFF&search=db", ["db-1"]),
        ("ordering=name", ["Web 2", "db-1", "web-1"]),
        ("ordering=-updated_at", ["web-1", "Web 2", "db-1"]),
        ("include_deleted=false", ["Web 2", "db-1", "web-1"]),
    ],
)
@pytest.mark.usefixtures("vms")
def test_a_list_is_narrowed(api: Api, query: str, expected: list[str]) -> None:
    found = api.names(f"/vms?{quote(query, safe='=&,')}")
    # How capitals sort is up to the database.
    assert (sorted(found) if "ordering=name" in query else found) == expected


def test_flavors_and_projects_are_found_by_id(api: Api, vms: dict[str, VM]) -> None:
    flavor = vms["db-1"].flavor_id
    assert api.names(f"/vms?flavor={flavor}") == ["db-1"]
    assert api.names(f"/vms?flavor={flavor},m1.small&name=web-1") == ["web-1"]
    assert len(api.names(f"/vms?project={vms['db-1'].project_id}")) == 3
    nobody = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    assert api.names(f"/vms?project={nobody}") == []


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("stauts=ACTIVE", ("stauts", "unknown")),
        ("format=json", ("format", "unknown")),
        ("status=active", ("status", "invalid_choice")),
        ("status=", ("status", "blank")),
        ("status=ACTIVE,", ("status", "blank")),
        ("search=a&search=b", ("search", "repeated")),
        ("name=", ("name", "blank")),
        ("name=" + "x" * 256, ("name", "max_length")),
        ("name__contains=" + "x" * 256, ("name__contains", "max_length")),
        ("search=", ("search", "blank")),
        ("search=" + "x" * 256, ("search", "max_length")),
        ("id=1", ("id", "invalid")),
        ("id=" + ",".join(["x"] * 101), ("id", "max_length")),
        ("project=x", ("project", "invalid")),
        ("created_at__gte=yesterday", ("created_at__gte", "invalid")),
        ("created_at__gte=2026-11-23", ("created_at__gte", "invalid")),
        ("created_at__gte=2026-11-23T10:00:00", ("created_at__gte", "invalid")),
        ("created_at__gte=2026-13-23T10:00:00Z", ("created_at__gte", "invalid")),
        ("created_at__lt=0001-01-01T00:00:00%2B23:59", ("created_at__lt", "invalid")),
        ("created_at__lt=9999-12-31T23:59:59-23:59", ("created_at__lt", "invalid")),
        ("created_at=2026-11-23T10:00:00Z", ("created_at", "unknown")),
        ("include_deleted=1", ("include_deleted", "invalid")),
        ("include_deleted=", ("include_deleted", "invalid")),
        ("label_selector=", ("label_selector", "blank")),
    ],
)
def test_a_wrong_filter_is_refused_never_ignored(
    api: Api, query: str, where: tuple[str, str]
) -> None:
    assert errors(api.get(f"/vms?{query}")) == [where]


def test_every_wrong_parameter_is_named(api: Api) -> None:
    assert errors(api.get("/vms?status=x&id=y")) == [
        ("id", "invalid"),
        ("status", "invalid_choice"),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vms/{id}"),
        ("PATCH", "/vms/{id}"),
        ("DELETE", "/vms/{id}"),
        ("POST", "/vms"),
        ("POST", "/vms/{id}/actions/stop"),
        ("POST", "/vms/{id}/snapshots"),
        ("GET", "/vms/{id}/console-log"),
    ],
)
def test_parameters_of_lists_are_refused_elsewhere(
    api: Api, method: str, path: str
) -> None:
    vm = VMFactory.create()
    response = api.call(method, f"{path.format(id=vm.pk)}?page=1")
    assert errors(response) == [("page", "unknown")]


def test_deleted_things_are_shown_on_demand(api: Api) -> None:
    VMFactory.create(name="here")
    VMFactory.create(name="gone", status="DELETED")
    assert api.names("/vms") == ["here"]
    assert set(api.names("/vms?include_deleted=true")) == {"here", "gone"}
    assert api.names("/vms?include_deleted=true&status=DELETED") == ["gone"]
    assert api.names("/vms?status=DELETED") == []


def test_snapshots_are_searched_and_selected_too(api: Api) -> None:
    SnapshotFactory.create(name="nightly", labels={"a": "b"})
    SnapshotFactory.create(name="weekly", status="ERROR")
    assert api.names("/snapshots?search=NIGHT") == ["nightly"]
    assert api.names("/snapshots?label_selector=a=b") == ["nightly"]
    assert api.names("/snapshots?status=ERROR") == ["weekly"]
    assert errors(api.get("/snapshots?flavor=x")) == [("flavor", "unknown")]


def test_an_address_is_searched_in_what_the_cloud_reported(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    ip = api.get(f"/vms/{vm.pk}").json()["addresses"][0]["ip"]
    assert api.names(f"/vms?search={ip}") == [vm.name]
