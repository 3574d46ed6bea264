"""Keypairs of the mock: its names, its misbehaviour, and what a server keeps."""

import pytest

from providers.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Timeout,
    Unavailable,
)
from providers.mock import MockCloud
from tests.support.mock_servers import REQUEST_ID, boot, rebuild, spec
from tests.support.ssh_keys import ed25519_line

KEY = ed25519_line()


def add(mock: MockCloud, name: str = "laptop", public_key: str = KEY) -> None:
    mock.keypairs.create(name, public_key, request_id=REQUEST_ID)


def test_a_server_keeps_the_key_of_its_keypair(mock: MockCloud) -> None:
    add(mock)
    server_id = boot(mock, spec(key_name="laptop"))
    mock.keypairs.delete("laptop", request_id=REQUEST_ID)
    add(mock, public_key=ed25519_line())
    rebuild(mock, server_id)
    assert mock.controls.public_key(server_id) == KEY
    assert mock.controls.public_key(boot(mock)) is None


def test_names_do_not_tell_upper_case_from_lower(mock: MockCloud) -> None:
    add(mock, "Laptop")
    with pytest.raises(Conflict, match="'LAPTOP' already exists"):
        add(mock, "LAPTOP")
    assert mock.keypairs.get("laptop").name == "Laptop"
    server_id = boot(mock, spec(key_name="laptop"))
    assert mock.servers.get(server_id).key_name == "laptop"


def test_names_are_those_of_the_newer_microversions(mock: MockCloud) -> None:
    add(mock, "me@host.example")
    assert [keypair.name for keypair in mock.keypairs.list_all()] == ["me@host.example"]


def test_a_full_quota_is_told_before_a_name_that_is_taken(mock: MockCloud) -> None:
    add(mock)
    mock.controls.inject("keypairs.create", kind="quota")
    with pytest.raises(QuotaExceeded, match="too many key pairs") as caught:
        add(mock)
    assert caught.value.status == 403


def test_a_key_whose_answer_was_lost_is_there(mock: MockCloud) -> None:
    mock.controls.inject("keypairs.create", kind="lose_response", match="^laptop$")
    add(mock, "other")
    with pytest.raises(Timeout):
        add(mock)
    with pytest.raises(Conflict) as caught:
        add(mock)
    assert caught.value.request_id


def test_a_refusal_leaves_no_key(mock: MockCloud) -> None:
    mock.controls.inject("keypairs.create", kind="fail", status=503)
    with pytest.raises(Unavailable):
        add(mock)
    with pytest.raises(NotFound, match="laptop"):
        mock.keypairs.get("laptop")


def test_calls_on_keypairs_are_counted(mock: MockCloud) -> None:
    add(mock)
    mock.keypairs.get("laptop")
    mock.keypairs.list_all()
    mock.keypairs.delete("laptop", request_id=REQUEST_ID)
    assert mock.controls.call_counts() == {
        "keypairs.create": 1,
        "keypairs.delete": 1,
        "keypairs.get": 1,
        "keypairs.list_all": 1,
    }


def test_a_server_of_an_unknown_key_is_not_made(mock: MockCloud) -> None:
    with pytest.raises(InvalidRequest, match="Invalid key_name provided"):
        boot(mock, spec(key_name="nobody"))
    assert mock.servers.list_all() == []
