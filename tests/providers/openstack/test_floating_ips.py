"""The floating IPs of OpenStack against a stage."""

from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import NEUTRON, REQUEST_ID, Line, Stage

FLOATING_IPS = f"{NEUTRON}/floatingips"


def test_an_address_is_taken_led_somewhere_and_led_nowhere(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    body = {"floatingip": {"id": "one"}}
    stage.speak("POST", FLOATING_IPS, Line(201, body))
    stage.speak("PUT", f"{FLOATING_IPS}/one", Line(body=body))
    floating_ips = cloud.floating_ips
    made = floating_ips.create("e", marker="vmmanager:1", request_id=REQUEST_ID)
    floating_ips.attach("one", port_id="p", fixed_ip="10.1.0.7", request_id=REQUEST_ID)
    floating_ips.detach("one", request_id=REQUEST_ID)
    assert made.created_id == "one"
    sent = stage.sent("POST", FLOATING_IPS) + stage.sent("PUT", f"{FLOATING_IPS}/one")
    assert [request.body["floatingip"] for request in sent] == [
        {"floating_network_id": "e", "description": "vmmanager:1"},
        {"port_id": "p", "fixed_ip_address": "10.1.0.7"},
        {"port_id": None},
    ]
    assert {r.headers["X-Openstack-Request-Id"] for r in sent} == {REQUEST_ID}
