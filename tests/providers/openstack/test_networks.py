"""The networks of OpenStack against a stage."""

import pytest

from providers import errors
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

SERVERS = "/compute/v2.1/servers"


@pytest.mark.parametrize(
    ("option", "there", "found"),
    [
        ("", ["a"], "id-of-a"),
        ("", ["a", "b"], None),
        ("", [], None),
        ("b", ["a", "b"], "id-of-b"),
        ("id-of-a", ["a", "b"], "id-of-a"),
        ("c", ["a", "b"], None),
        ("a", ["a", "a"], None),
    ],
)
def test_the_default_network_is_one_or_a_clear_refusal(
    stage: Stage, make: MakeCloud, option: str, there: list[str], found: str | None
) -> None:
    stage.speak("GET", NETWORKS, Line(body={"networks": list(map(network, there))}))
    stage.speak("POST", SERVERS, Line(202, {"server": {"id": "new"}}))
    cloud = make(network=option)
    defaults = {n.id for n in make(network=option).networks.list_all() if n.default}
    if found is None:
        with pytest.raises(errors.InvalidRequest, match="option 'network'") as caught:
            cloud.servers.create(spec(), request_id=REQUEST_ID)
        assert (caught.value.service, caught.value.status) == ("neutron", 400)
        assert defaults == set()
    else:
        cloud.servers.create(spec(), request_id=REQUEST_ID)
        (sent,) = stage.sent("POST", SERVERS)
        assert sent.body["server"]["networks"] == [{"uuid": found}]
        assert defaults == {found}


@pytest.mark.parametrize(
    ("option", "found"),
    [("", "id-of-a"), ("a", "id-of-a"), ("of-a-project", "of-a-project")],
)
def test_a_network_that_we_made_is_the_default_only_by_its_id(
    stage: Stage, make: MakeCloud, option: str, found: str
) -> None:
    made = network("a", id="of-a-project", description="vmmanager:1")
    stage.speak("GET", NETWORKS, Line(body={"networks": [made, network("a")]}))
    networks = make(network=option).networks.list_all()
    assert [n.id for n in networks if n.default] == [found]


def test_a_listing_says_which_network_the_next_server_gets(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", SERVERS, Line(202, {"server": {"id": "new"}}))
    for there, found in ((["a"], "id-of-a"), (["b"], "id-of-b"), (["a", "b"], None)):
        stage.speak("GET", NETWORKS, Line(body={"networks": list(map(network, there))}))
        defaults = [n.id for n in cloud.networks.list_all() if n.default]
        if found is None:
            assert defaults == []
            with pytest.raises(errors.InvalidRequest):
                cloud.servers.create(spec(), request_id=REQUEST_ID)
        else:
            assert defaults == [found]
            asked = len(stage.sent("GET", NETWORKS))
            cloud.servers.create(spec(), request_id=REQUEST_ID)
            assert len(stage.sent("GET", NETWORKS)) == asked
            sent = stage.sent("POST", SERVERS)[-1]
            assert sent.body["server"]["networks"] == [{"uuid": found}]


def test_a_network_is_read_as_neutron_shows_it(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    public = network("public", shared=True, mtu=1500, **{"router:external": True})
    stage.speak("GET", NETWORKS, Line(body={"networks": [public]}))
    (found,) = cloud.networks.list_all()
    assert (found.id, found.name, found.mtu) == ("id-of-public", "public", 1500)
    assert (found.shared, found.external, found.default) == (True, True, False)
