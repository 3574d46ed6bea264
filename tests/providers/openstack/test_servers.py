"""The servers of OpenStack against a stage: what is sent, and what answers mean."""

import time
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from providers import errors
from providers.contract.servers import Fault, RemoteConsole, ServerVerb
from providers.openstack import OpenStackCloud
from tests.providers.openstack.conftest import MakeCloud
from tests.support.fake_openstack import (
    ACTION,
    IMAGES,
    NETWORKS,
    NEUTRON,
    NOVA_ID,
    REQUEST_ID,
    SERVER,
    SERVERS,
    Line,
    Stage,
    network,
    server,
    spec,
)


def test_a_create_is_tagged_and_gets_the_only_network(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak(
        "GET",
        NETWORKS,
        Line(
            body={
                "networks": [
                    network("private"),
                    network("public", **{"router:external": True, "shared": True}),
                    network("of-others", project_id="others"),
                ]
            }
        ),
    )
    stage.speak("POST", "/compute/v2.1/servers", Line(202, {"server": {"id": "new"}}))
    asked = spec(metadata={"vm_id": "1"}, user_data=b"#cloud-config\n")
    for _ in range(2):
        receipt = cloud.servers.create(asked, request_id=REQUEST_ID)
    assert receipt.created_id == "new"
    assert len(stage.sent("GET", NETWORKS)) == 1  # asked once, then known
    assert stage.sent("POST", "/compute/v2.1/servers")[0].body["server"] == {
        "name": "web",
        "flavorRef": "1",
        "imageRef": "i",
        "networks": [{"uuid": "id-of-private"}],
        "tags": ["vm-1"],
        "metadata": {"vm_id": "1"},
        "user_data": "I2Nsb3VkLWNvbmZpZwo=",
    }


def test_a_server_with_ports_gets_these_and_no_default(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", "/compute/v2.1/servers", Line(202, {"server": {"id": "new"}}))
    cloud.servers.create(spec(port_ids=["b", "a"]), request_id=REQUEST_ID)
    (sent,) = stage.sent("POST", "/compute/v2.1/servers")
    assert sent.body["server"]["networks"] == [{"port": "b"}, {"port": "a"}]
    assert stage.sent("GET", NETWORKS) == []


def test_a_port_is_attached_and_detached_by_its_id(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    path = f"{SERVER}/os-interface"
    header = {"X-Openstack-Request-Id": NOVA_ID}
    attached = {"interfaceAttachment": {"port_id": "p", "net_id": "n"}}
    stage.speak("POST", path, Line(200, attached, header))
    stage.speak("DELETE", f"{path}/p", Line(202, "", header))
    for change in (cloud.servers.attach_port, cloud.servers.detach_port):
        receipt = change("one", "p", request_id=REQUEST_ID)
        assert (receipt.request_id, receipt.created_id) == (NOVA_ID, None)
    (attach,) = stage.sent("POST", path)
    assert attach.body == {"interfaceAttachment": {"port_id": "p"}}
    for sent in (attach, *stage.sent("DELETE", f"{path}/p")):
        assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


def test_a_host_that_fails_to_attach_may_have_done_it(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    words = "Failed to attach network adapter device to one"
    fault = {"computeFault": {"code": 500, "message": words}}
    stage.speak("POST", f"{SERVER}/os-interface", Line(500, fault))
    with pytest.raises(errors.Unavailable, match=words) as caught:
        cloud.servers.attach_port("one", "p", request_id=REQUEST_ID)
    assert caught.value.ambiguous


#: Nova's words for the verbs that take no arguments.
WORDS: dict[ServerVerb, str] = {
    "start": "os-start",
    "stop": "os-stop",
    "pause": "pause",
    "unpause": "unpause",
    "suspend": "suspend",
    "resume": "resume",
    "shelve": "shelve",
    "unshelve": "unshelve",
    "rescue": "rescue",
    "unrescue": "unrescue",
    "confirm_resize": "confirmResize",
}


@pytest.mark.parametrize("verb", get_args(ServerVerb))
def test_a_verb_is_one_request(
    stage: Stage, cloud: OpenStackCloud, verb: ServerVerb
) -> None:
    stage.speak("POST", ACTION, Line(202, ""))
    receipt = cloud.servers.act("one", verb, request_id=REQUEST_ID)
    assert [sent.body for sent in stage.sent("POST", ACTION)] == [{WORDS[verb]: None}]
    assert receipt.created_id is None


@pytest.mark.parametrize(
    ("method", "arguments", "body"),
    [
        ("reboot", {"hard": False}, {"reboot": {"type": "SOFT"}}),
        ("reboot", {"hard": True}, {"reboot": {"type": "HARD"}}),
        ("resize", {"flavor_id": "2"}, {"resize": {"flavorRef": "2"}}),
        ("rebuild", {"image_id": "i"}, {"rebuild": {"imageRef": "i"}}),
        (
            "snapshot",
            {"name": "nightly", "tag": "s-1"},
            {"createImage": {"name": "nightly", "metadata": {"vmmanager_tag": "s-1"}}},
        ),
    ],
)
def test_a_verb_with_arguments_is_one_request(
    stage: Stage,
    cloud: OpenStackCloud,
    method: str,
    arguments: dict[str, Any],
    body: dict[str, Any],
) -> None:
    stage.speak("POST", ACTION, Line(202, {"image_id": "made"}))
    change = getattr(cloud.servers, method)
    receipt = change("one", request_id=REQUEST_ID, **arguments)
    assert [sent.body for sent in stage.sent("POST", ACTION)] == [body]
    assert receipt.created_id == ("made" if method == "snapshot" else None)


def test_a_delete_is_one_request(stage: Stage, cloud: OpenStackCloud) -> None:
    for delete, path in (
        (cloud.servers.delete, SERVER),
        (cloud.images.delete, f"{IMAGES}/one"),
        (cloud.networks.delete, f"{NETWORKS}/one"),
        (cloud.subnets.delete, f"{NEUTRON}/subnets/one"),
        (cloud.routers.delete, f"{NEUTRON}/routers/one"),
        (cloud.ports.delete, f"{NEUTRON}/ports/one"),
        (cloud.floating_ips.delete, f"{NEUTRON}/floatingips/one"),
        (cloud.security_groups.delete, f"{NEUTRON}/security-groups/one"),
        (cloud.security_groups.delete_rule, f"{NEUTRON}/security-group-rules/one"),
    ):
        stage.speak("DELETE", path, Line(204, ""))
        delete("one", request_id=REQUEST_ID)
        (sent,) = stage.sent("DELETE", path)
        assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


def test_a_server_is_read_as_nova_shows_it(stage: Stage, cloud: OpenStackCloud) -> None:
    fault = {"code": 500, "message": "No valid host was found. ", "created": "x"}
    never = {"OS-SRV-USG:launched_at": None}
    broken = server(status="ERROR", fault=fault, image="", addresses={}, **never)
    stage.speak(
        "GET", SERVER, Line(body={"server": server()}), Line(body={"server": broken})
    )
    found = cloud.servers.get("one")
    assert (found.flavor_name, found.vcpus, found.ram_mb) == ("m1.tiny", 1, 512)
    assert found.image_id == "cirros"
    assert [a.ip for a in found.addresses] == ["10.0.0.4"]
    assert found.updated_at == datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert found.launched_at == datetime(2026, 11, 23, 10, 59, 45, tzinfo=UTC)
    found = cloud.servers.get("one")
    assert found.fault == Fault(500, "No valid host was found. ")
    assert found.image_id is None
    assert found.launched_at is None


def test_a_server_whose_launch_the_cloud_does_not_tell_counts_as_launched(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    silent = server(status="ERROR")
    del silent["OS-SRV-USG:launched_at"]
    stage.speak("GET", SERVER, Line(body={"server": silent}))
    found = cloud.servers.get("one")
    assert found.launched_at == found.created_at


def test_a_server_in_a_cell_that_is_down_is_there_but_unknown(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    partial = {
        "id": "one",
        "status": "UNKNOWN",
        "created": "2026-11-23T10:59:37Z",
        "tenant_id": "ours",
        "links": [],
    }
    stage.speak("GET", SERVERS, Line(body={"servers": [partial]}))
    (found,) = cloud.servers.list_all()
    assert (found.id, found.status, found.flavor_name) == ("one", "UNKNOWN", "")


def test_an_action_ends_with_its_last_event_and_tells_why_it_failed(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    def action(message: str | None, *events: dict[str, Any]) -> Line:
        return Line(
            body={
                "instanceAction": {
                    "action": "resize",
                    "request_id": NOVA_ID,
                    "start_time": "2026-11-23T10:59:37.000000",
                    "message": message,
                    "events": list(events),
                }
            }
        )

    done = {"event": "a", "finish_time": "2026-11-23T10:59:38.000000"}
    running = {"event": "b", "finish_time": None}
    failed = {**done, "result": "Error", "details": "No valid host was found. "}
    unexplained = {**failed, "details": None}
    path = f"{SERVER}/os-instance-actions/{NOVA_ID}"
    stage.speak(
        "GET",
        path,
        action(None),
        action(None, done, running),
        action("Error", done),
        action("Error", failed),
        action(None, unexplained),
    )
    read = [cloud.servers.get_action("one", NOVA_ID) for _ in range(5)]
    assert [(a.finished, a.error) for a in read] == [
        (False, None),
        (False, None),
        (True, "Error"),
        (True, "No valid host was found. "),
        # Nova reads the action before its events: it may have failed in between.
        (True, "Error"),
    ]
    assert read[0].started_at == datetime(2026, 11, 23, 10, 59, 37, tzinfo=UTC)


def test_every_page_of_actions_is_read(stage: Stage, make: MakeCloud) -> None:
    def action(word: str) -> dict[str, Any]:
        return {
            "action": word,
            "request_id": NOVA_ID,
            "start_time": "2026-11-23T10:59:37.000000",
            "message": None,
        }

    path = f"{SERVER}/os-instance-actions"
    link = {"rel": "next", "href": f"http://inside{path}?limit=1&marker={NOVA_ID}"}
    stage.speak(
        "GET",
        path,
        Line(body={"instanceActions": [action("stop")], "links": [link]}),
        Line(body={"instanceActions": [action("create")]}),
    )
    found = make(page_size="1").servers.list_actions("one")
    assert [a.action for a in found] == ["stop", "create"]
    assert stage.sent("GET", path)[1].query == {"limit": ["1"], "marker": [NOVA_ID]}


def test_a_console_that_somebody_waits_for_has_less_time(
    stage: Stage, make: MakeCloud
) -> None:
    cloud = make(timeout="30")
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    cloud.servers.get("one")
    stage.speak("POST", ACTION, Line(body={"output": "login:"}, delay=5.0))
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):
        cloud.servers.get_console_log("one", lines=1, timeout=0.4)
    assert time.monotonic() - begun < 4


CONSOLES = f"{SERVER}/remote-consoles"
UNAVAILABLE = {"badRequest": {"message": "Unavailable console type novnc."}}


def test_a_remote_console_is_of_the_first_kind_that_the_cloud_has(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    url = "http://host:6082/spice_auto.html?token=1"
    answer = {"protocol": "spice", "type": "spice-html5", "url": url}
    stage.speak(
        "POST",
        CONSOLES,
        Line(status=400, body=UNAVAILABLE),
        Line(body={"remote_console": answer}),
    )
    assert cloud.servers.open_remote_console("one") == RemoteConsole("spice-html5", url)
    asked = [request.body["remote_console"] for request in stage.sent("POST", CONSOLES)]
    assert asked == [
        {"protocol": "vnc", "type": "novnc"},
        {"protocol": "spice", "type": "spice-html5"},
    ]


def test_a_cloud_without_a_kind_of_console_offers_none(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", CONSOLES, Line(status=400, body=UNAVAILABLE))
    assert cloud.servers.open_remote_console("one") is None
    assert len(stage.sent("POST", CONSOLES)) == 3


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", None, 7])
def test_what_is_no_url_of_a_console_is_no_answer(
    stage: Stage, cloud: OpenStackCloud, url: object
) -> None:
    console = {"protocol": "vnc", "type": "novnc", "url": url}
    stage.speak("POST", CONSOLES, Line(body={"remote_console": console}))
    with pytest.raises(errors.UnexpectedResponse):
        cloud.servers.open_remote_console("one")
