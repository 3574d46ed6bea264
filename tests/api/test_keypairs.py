"""Keypairs over HTTP: the private key once, names once, keys that are none refused."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from compute.models import Keypair, Project
from tests.conftest import Drain
from tests.support.api import Api
from tests.support.factories import ProjectFactory
from tests.support.ssh_keys import ed25519_line

pytestmark = pytest.mark.django_db

LINE = ed25519_line()


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


def made(api: Api, **body: Any) -> Any:
    answer = api.post("/keypairs", {"name": "alice", **body})
    assert answer.status_code == 201, answer.json()
    return answer


def test_the_life_of_a_keypair(api: Api) -> None:
    answer = made(api, public_key=f"{LINE}\n", labels={"team": "core"})
    keypair = answer.json()
    assert (keypair["public_key"], keypair["private_key"]) == (LINE, None)
    assert keypair["labels"] == {"team": "core"}
    path = f"/keypairs/{keypair['id']}"
    assert answer.headers["Location"].endswith(path)
    shown = api.get(path)
    assert shown.json() == keypair
    assert api.get(path, If_None_Match=shown.headers["ETag"]).status_code == 304
    assert api.delete(path, If_Match='"other"').status_code == 412
    assert api.delete(path, If_Match=shown.headers["ETag"]).status_code == 204
    assert api.get(path).status_code == 404
    assert api.delete(path).status_code == 404
    assert api.get("/keypairs").json()["results"] == []


def test_a_private_key_is_shown_once(api: Api) -> None:
    first = api.post("/keypairs", {"name": "alice"}, Idempotency_Key="k")
    assert first.status_code == 201
    assert first.headers["Cache-Control"] == "no-store"
    private = first.json()["private_key"]
    load_ssh_private_key(private.encode(), password=None)  # else it raises
    again = api.post("/keypairs", {"name": "alice"}, Idempotency_Key="k")
    assert (again.status_code, again.json()["private_key"]) == (201, None)
    assert again.headers["Idempotent-Replayed"] == "true"
    for body in (
        api.get(f"/keypairs/{first.json()['id']}").json(),
        api.get("/keypairs").json()["results"][0],
    ):
        assert body["private_key"] is None


def test_a_name_that_is_taken_is_a_conflict(api: Api) -> None:
    made(api)
    answer = api.post("/keypairs", {"name": "alice", "public_key": LINE})
    assert (answer.status_code, answer.json()["code"]) == (409, "name-conflict")
    other = ProjectFactory.create()
    assert made(api, project=str(other.pk)).json()["project"] == str(other.pk)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"public_key": "hello"}, "#/public_key"),
        ({"public_key": None}, "#/public_key"),
        ({"public_key": 7}, "#/public_key"),
        ({"public_key": "x" * 20_000}, "#/public_key"),
        ({"name": "a\nb"}, "#/name"),
        ({"labels": {"-": "x"}}, "#/labels/-"),
        ({"fingerprint": "x"}, "#/fingerprint"),
    ],
)
def test_what_is_wrong_is_named(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api.post("/keypairs", {"name": "alice", **body})
    assert answer.status_code == 400
    assert [row["pointer"] for row in answer.json()["errors"]] == [pointer]
    assert not Keypair.objects.exists()


def test_lists_are_filtered(api: Api) -> None:
    first = made(api, labels={"team": "core"}).json()
    second = made(api, name="bob").json()

    def found(query: str) -> list[str]:
        return [row["name"] for row in api.get(f"/keypairs?{query}").json()["results"]]

    assert found("ordering=name") == ["alice", "bob"]
    assert found("label_selector=team=core") == ["alice"]
    assert found("search=bo") == ["bob"]
    assert found(f"search={second['id'][:8]}") == ["bob"]
    fingerprint = first["fingerprint"].replace("+", "%2B")
    assert found(f"fingerprint={fingerprint}") == ["alice"]


def test_a_vm_is_created_with_it_and_shows_it(
    api: Api, catalogue: None, drain: Drain
) -> None:
    keypair = made(api, public_key=LINE).json()
    wanted = {"name": "web", "flavor": "m1.tiny", "image": "cirros"}
    vm = api.post("/vms", {**wanted, "keypair": "alice"}).json()
    assert (vm["keypair"], vm["keypair_id"]) == ("alice", keypair["id"])
    bare = api.post("/vms", wanted).json()
    assert (bare["keypair"], bare["keypair_id"]) == (None, None)
    drain()
    assert api.get(f"/vms/{vm['id']}").json()["status"] == "ACTIVE"
    refused = api.post("/vms", {**wanted, "keypair": "nobody"})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "#/keypair"
    # Without it the VM still tells what it was made with.
    assert api.delete(f"/keypairs/{keypair['id']}").status_code == 204
    assert api.get(f"/vms/{vm['id']}").json()["keypair"] == "alice"


def test_its_events_name_it(api: Api) -> None:
    keypair = made(api).json()
    (event,) = api.get("/events?type=keypair.created").json()["results"]
    assert event["subject"] == f"keypairs/{keypair['id']}"
