"""The keypairs of OpenStack against a stage."""

from typing import Any

import pytest

from providers import errors
from providers.contract.keypairs import Keypair
from providers.openstack import OpenStackCloud
from tests.providers.openstack.conftest import MakeCloud
from tests.support.fake_openstack import (
    NETWORKS,
    REQUEST_ID,
    Line,
    Stage,
    network,
    spec,
)

KEYPAIRS = "/compute/v2.1/os-keypairs"


def wrapped(name: str) -> dict[str, Any]:
    keypair = {"name": name, "type": "ssh", "fingerprint": "27:6d", "public_key": "k"}
    return {"keypair": keypair}


def test_a_key_is_sent_as_it_is(stage: Stage, cloud: OpenStackCloud) -> None:
    stage.speak("POST", KEYPAIRS, Line(201, wrapped("a")))
    receipt = cloud.keypairs.create("a", "ssh-ed25519 k me\n", request_id=REQUEST_ID)
    assert receipt.created_id == "a"
    (sent,) = stage.sent("POST", KEYPAIRS)
    assert sent.body == {"keypair": {"name": "a", "public_key": "ssh-ed25519 k me\n"}}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


def test_a_full_quota_of_keypairs_is_no_refusal_of_ours(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    words = "Quota exceeded, too many key pairs."
    stage.speak("POST", KEYPAIRS, Line(403, {"forbidden": {"message": words}}))
    with pytest.raises(errors.QuotaExceeded, match="too many key pairs"):
        cloud.keypairs.create("a", "k", request_id=REQUEST_ID)


def test_every_page_of_keypairs_is_read(stage: Stage, make: MakeCloud) -> None:
    link = {"rel": "next", "href": f"http://inside{KEYPAIRS}?limit=1&marker=a"}
    stage.speak(
        "GET",
        KEYPAIRS,
        Line(body={"keypairs": [wrapped("a")], "keypairs_links": [link]}),
        Line(body={"keypairs": [wrapped("b")]}),
    )
    found = make(page_size="1").keypairs.list_all()
    assert found == [Keypair(name, "ssh", "27:6d", "k") for name in ("a", "b")]
    assert stage.sent("GET", KEYPAIRS)[1].query == {"limit": ["1"], "marker": ["a"]}


def test_a_name_is_one_segment_of_the_path(stage: Stage, cloud: OpenStackCloud) -> None:
    path = f"{KEYPAIRS}/a%20b%2Fc"
    stage.speak("GET", path, Line(body=wrapped("a b/c")))
    stage.speak("DELETE", path, Line(204, ""))
    assert cloud.keypairs.get("a b/c").name == "a b/c"
    cloud.keypairs.delete("a b/c", request_id=REQUEST_ID)
    assert len(stage.sent("DELETE", path)) == 1


def test_a_create_names_the_keypair_if_there_is_one(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    servers = "/compute/v2.1/servers"
    stage.speak("GET", NETWORKS, Line(body={"networks": [network("private")]}))
    stage.speak("POST", servers, Line(202, {"server": {"id": "new"}}))
    cloud.servers.create(spec(key_name="a"), request_id=REQUEST_ID)
    cloud.servers.create(spec(), request_id=REQUEST_ID)
    one, none = (sent.body["server"] for sent in stage.sent("POST", servers))
    assert one["key_name"] == "a"
    assert "key_name" not in none
