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


@pytest.mark.parametrize(
    ("option", "there", "found"),
    [
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
    stage.speak("POST", "/compute/v2.1/servers", Line(202, {"server": {"id": "new"}}))
    cloud = make(network=option)
    if found is None:
        with pytest.raises(errors.InvalidRequest, match="option 'network'") as caught:
            cloud.servers.create(spec(), request_id=REQUEST_ID)
        assert (caught.value.service, caught.value.status) == ("neutron", 400)
    else:
        cloud.servers.create(spec(), request_id=REQUEST_ID)
        (sent,) = stage.sent("POST", "/compute/v2.1/servers")
        assert sent.body["server"]["networks"] == [{"uuid": found}]


def test_a_port_that_only_services_may_delete_is_released_first(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    path = "/network/v2.0/ports/one"
    refusal = {"NeutronError": {"message": "delete_port is disallowed by policy"}}
    stage.speak("DELETE", path, Line(403, refusal), Line(204, ""))
    stage.speak("PUT", path, Line(body={"port": {"id": "one"}}))
    cloud.ports.delete("one", request_id=REQUEST_ID)
    assert [r.method for r in stage.requests if r.path == path] == [
        "DELETE",
        "PUT",
        "DELETE",
    ]
    (sent,) = stage.sent("PUT", path)
    assert sent.body == {"port": {"device_owner": ""}}
