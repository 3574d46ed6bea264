"""SQLite is locked by another process, or has no room: writes wait, reads go on."""

import sqlite3
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from compute.models import VM
from tests.support.api import Api, operator, problem

MakeVM = Callable[..., VM]
NEW = {"name": "web-1", "flavor": "m1.small", "image": "ubuntu-22.04"}
#: What SQLite has if it is not told otherwise.
MAX_PAGES = 1073741823


@pytest.fixture
def vm(
    transactional_db: None,
    django_db_serialized_rollback: None,  # keeps the project that migrate made
    api: Api,
    make_vm: MakeVM,
) -> VM:
    if connection.vendor != "sqlite":
        pytest.skip("tests of SQLite")
    return make_vm()


@pytest.fixture
def locked(vm: VM) -> Iterator[None]:
    """Have another connection hold the lock of the database."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")  # instead of 20 seconds
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@pytest.fixture
def full(vm: VM) -> Iterator[None]:
    """Have no room for another page in the file of the database."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # of pages that are free
        cursor.execute("PRAGMA max_page_count = 1")  # becomes as many as there are
        yield
        cursor.execute(f"PRAGMA max_page_count = {MAX_PAGES}")


@pytest.mark.usefixtures("locked")
def test_a_locked_database_is_told(api: Api, vm: VM) -> None:
    user = operator()
    for answer in (
        api.post("/vms", NEW),
        api.post(f"/vms/{vm.pk}/actions/stop"),
        api.patch(f"/vms/{vm.pk}", {"name": "other"}),
        Api("").post("/auth/tokens", {"username": user.username, "password": "x"}),
    ):
        told = problem(answer, 503, "database-unavailable")
        assert told["retryable"] is True
        assert answer.headers["Retry-After"] == "5"
    assert api.get(f"/vms/{vm.pk}").json()["status"] == "ACTIVE"


@pytest.mark.usefixtures("full")
def test_a_full_database_is_told(api: Api, vm: VM) -> None:
    # There may be room on the last page.
    answers = [api.post("/vms", {**NEW, "user_data": "x" * 20_000}) for _ in range(4)]
    told = problem(answers[-1], 503, "database-unavailable")
    assert told["retryable"] is True
    assert api.get(f"/vms/{vm.pk}").json()["status"] == "ACTIVE"
    # What is refused stays refused, though the log of events has no room for it.
    for _ in range(30):
        refused = api.post(f"/vms/{vm.pk}/actions/start")
        problem(refused, 409, "invalid-transition")
