"""Networks and all that belongs to them, made over HTTP and finished."""

from typing import Any

from tests.conftest import drain_all
from tests.support.api import Api

VM = {"name": "web-1", "flavor": "m1.small", "image": "ubuntu-22.04"}
NETWORK = {"name": "web", "cidr": "10.1.0.0/24"}


def made(api: Api, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Ask for something, have it done, and return what a GET shows then."""
    answer = api.post(path, body, **headers)
    assert answer.status_code == 202, answer.content
    drain_all()
    return shown(api, f"{path}/{answer.json()['id']}")


def shown(api: Api, path: str) -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert body.get("error") is None, body
    return body


def acted(api: Api, path: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for an action, have it done, and return what a GET shows then."""
    answer = api.post(f"{path}/actions/{verb}", body)
    assert answer.status_code == 202, answer.content
    drain_all()
    return shown(api, path)


def offered(api: Api, path: str, name: str) -> dict[str, Any]:
    """Return what a cloud offers to all by its name."""
    (row,) = api.get(f"{path}?name={name}").json()["results"]
    assert row["project"] is None
    body: dict[str, Any] = row
    return body
