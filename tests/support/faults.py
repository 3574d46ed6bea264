"""What the cloud of a test does wrong, and how operations end that meet it."""

from typing import Any

import pytest

from compute.models import Event, Operation
from tests.conftest import ALICE

#: An injected fault -> the code its operation ends with, ``None`` for success.
#: One refusal ends an operation; what passes, and what may have been done, is retried.
ONCE: list[tuple[dict[str, Any], str | None]] = [
    ({"kind": "fail", "status": 400}, "openstack-refused"),
    ({"kind": "fail", "status": 401}, "openstack-error"),
    ({"kind": "fail", "status": 403}, "openstack-error"),
    ({"kind": "fail", "status": 409}, "openstack-error"),
    ({"kind": "quota"}, "resource-limit-exceeded"),
    ({"kind": "fail", "status": 500}, None),
    ({"kind": "fail", "status": 503}, None),
    ({"kind": "hang"}, None),
    ({"kind": "lose_response"}, None),
    ({"kind": "slow"}, None),
]
FOREVER: list[tuple[dict[str, Any], str]] = [
    ({"kind": "fail", "status": 500}, "openstack-unavailable"),
    ({"kind": "fail", "status": 503}, "openstack-unavailable"),
    ({"kind": "hang"}, "openstack-timeout"),
]


def names(faults: list[tuple[dict[str, Any], Any]]) -> list[str]:
    return ["-".join(str(value) for value in fault.values()) for fault, _ in faults]


def once(*others: tuple[dict[str, Any], str | None]) -> pytest.MarkDecorator:
    rows = [*ONCE, *others]
    return pytest.mark.parametrize(("fault", "code"), rows, ids=names(rows))


def forever() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("fault", "code"), FOREVER, ids=names(FOREVER))


def ended(operation: Operation | None, code: str | None) -> None:
    """Assert how an operation ended: with a problem of this code, or well."""
    assert operation is not None
    operation.refresh_from_db()
    if code is None:
        assert (operation.status, operation.error) == ("SUCCEEDED", None)
        return
    assert operation.status == "FAILED"
    assert operation.error is not None
    assert operation.error["code"] == code
    assert operation.error["detail"]
    finished = Event.objects.get(operation=operation, type="operation.finished")
    assert finished.details == {"status": "FAILED", "error": operation.error}
    assert finished.request_id == ALICE.request_id
