"""What all resources of Neutron have in common, against a stage."""

from collections.abc import Callable
from typing import Any

import pytest

from providers import errors
from providers.openstack import OpenStackCloud
from tests.providers.openstack.conftest import MakeCloud
from tests.support.fake_openstack import (
    NETWORKS,
    NEUTRON,
    REQUEST_ID,
    Line,
    Stage,
    network,
)

MARKER = "vmmanager:7b1f0a52-3c0d-4e0e-9f5e-2f1a6f0e7c11"
SERVICES: dict[str, Callable[[OpenStackCloud], Any]] = {
    "networks": lambda cloud: cloud.networks,
    "subnets": lambda cloud: cloud.subnets,
    "routers": lambda cloud: cloud.routers,
    "ports": lambda cloud: cloud.ports,
    "floatingips": lambda cloud: cloud.floating_ips,
    "security-groups": lambda cloud: cloud.security_groups,
}


@pytest.mark.parametrize("path", SERVICES)
def test_ours_are_asked_for_and_of_networks_all_that_we_see(
    stage: Stage, cloud: OpenStackCloud, path: str
) -> None:
    key = path.replace("-", "_")
    stage.speak("GET", f"{NEUTRON}/{path}", Line(body={key: []}))
    service = SERVICES[path](cloud)
    assert service.list_all() == []
    assert service.find(marker=MARKER) == []
    listed, searched = stage.sent("GET", f"{NEUTRON}/{path}")
    project = None if path in ("networks", "subnets") else ["ours"]
    assert listed.query.get("project_id") == searched.query.get("project_id") == project
    assert "description" not in listed.query
    assert searched.query["description"] == [MARKER]


def test_a_marker_is_found_exactly(stage: Stage, cloud: OpenStackCloud) -> None:
    descriptions = (MARKER, MARKER.upper(), f"{MARKER} ", MARKER)
    bodies = [
        network(str(number), description=description)
        for number, description in enumerate(descriptions)
    ]
    stage.speak("GET", NETWORKS, Line(body={"networks": bodies}))
    found = cloud.networks.find(marker=MARKER)
    assert [(n.name, n.marker) for n in found] == [("0", MARKER), ("3", MARKER)]


@pytest.mark.parametrize(
    "text", ["", None, "for the shop", "Vmmanager:1", " vmmanager:1"]
)
def test_words_of_others_are_no_marker(
    stage: Stage, cloud: OpenStackCloud, text: str | None
) -> None:
    bodies = [network("a", description=text)]
    stage.speak("GET", NETWORKS, Line(body={"networks": bodies}))
    assert [n.marker for n in cloud.networks.list_all()] == [""]


def test_the_marker_is_sent_as_it_is(stage: Stage, cloud: OpenStackCloud) -> None:
    stage.speak("POST", NETWORKS, Line(201, {"network": {"id": "new"}}))
    receipt = cloud.networks.create("web", marker=MARKER, request_id=REQUEST_ID)
    assert receipt.created_id == "new"
    (sent,) = stage.sent("POST", NETWORKS)
    assert sent.body == {"network": {"name": "web", "description": MARKER}}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


def page(name: str, following: bool) -> Line:
    href = f"http://inside{NETWORKS}?limit=1&fields=id&marker=id-of-{name}"
    links = [{"rel": "next", "href": href}] if following else []
    return Line(body={"networks": [network(name)], "networks_links": links})


GONE = Line(404, {"NeutronError": {"type": "NetworkNotFound", "message": "gone"}})


def test_a_listing_whose_page_ended_with_what_is_gone_is_begun_again(
    stage: Stage, make: MakeCloud
) -> None:
    stage.speak(
        "GET", NETWORKS, page("a", True), GONE, page("b", True), page("c", False)
    )
    found = make(page_size="1").networks.list_all()
    assert [n.name for n in found] == ["b", "c"]
    markers = [sent.query.get("marker") for sent in stage.sent("GET", NETWORKS)]
    assert markers == [None, ["id-of-a"], None, ["id-of-b"]]


def test_a_listing_that_does_not_get_to_its_end_is_no_proof_of_absence(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("GET", NETWORKS, GONE)
    with pytest.raises(errors.Unavailable, match="gone") as caught:
        cloud.networks.list_all()
    assert (caught.value.status, caught.value.code) == (404, "NetworkNotFound")


@pytest.mark.parametrize(
    "body", ["not json", {}, {"port": None}, {"port": {"id": "one"}}]
)
def test_an_answer_outside_neutrons_contract_is_one_defined_error(
    stage: Stage, cloud: OpenStackCloud, body: object
) -> None:
    stage.speak("GET", f"{NEUTRON}/ports/one", Line(body=body))
    with pytest.raises(errors.UnexpectedResponse) as caught:
        cloud.ports.get("one")
    assert caught.value.service == "neutron"
