"""The OpenStack driver against a stage: what it sends, and what it makes of answers."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from providers import errors
from providers.contract.servers import Fault, ServerSpec, ServerVerb
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import Line, Stage

REQUEST_ID = "req-0f9d1c52-6a3e-4a53-8a3c-5b1f0e6d7c21"
NOVA_ID = "req-5e1f2ad0-9b8a-4d39-b6cf-1a2b3c4d5e6f"
SERVER = "/compute/v2.1/servers/one"
ACTION = f"{SERVER}/action"
SERVERS = "/compute/v2.1/servers/detail"
IMAGES = "/image/v2/images"
NETWORKS = "/network/v2.0/networks"

MakeProvider = Callable[..., OpenStackCloud]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def make(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProvider:
    """Make a provider whose cloud is the stage, or what ``auth_url`` says."""

    def make_provider(*, auth_url: str = "", **options: str) -> OpenStackCloud:
        config = tmp_path / "clouds.yaml"
        cloud = stage.cloud(auth_url=auth_url, password="secret")
        config.write_text(yaml.safe_dump({"clouds": {"stage": cloud}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
        return OpenStackCloud(cloud="stage", **options)

    return make_provider


@pytest.fixture
def provider(make: MakeProvider) -> OpenStackCloud:
    return make(timeout="5")


def server(**changes: Any) -> dict[str, Any]:
    return {
        "id": "one",
        "name": "web",
        "status": "ACTIVE",
        "created": "2026-11-23T10:59:37Z",
        "updated": "2026-11-23T11:00:00Z",
        "OS-EXT-STS:task_state": None,
        "OS-SRV-USG:launched_at": "2026-11-23T10:59:45.000000",
        "flavor": {"original_name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 5},
        "image": {"id": "cirros"},
        "addresses": {
            "private": [
                {
                    "addr": "10.0.0.4",
                    "version": 4,
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01",
                }
            ]
        },
        "tags": ["vm-1"],
        "locked": False,
        **changes,
    }


def network(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"id-of-{name}",
        "name": name,
        "shared": False,
        "router:external": False,
        "project_id": "ours",
        **changes,
    }


def spec(**changes: Any) -> ServerSpec:
    return ServerSpec(
        **{"name": "web", "flavor_id": "1", "image_id": "i", "tag": "vm-1", **changes}
    )


# What is sent


def test_a_write_carries_our_request_id_our_name_and_the_microversion(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("POST", ACTION, Line(202, "", {"X-Openstack-Request-Id": NOVA_ID}))
    receipt = provider.servers.act("one", "stop", request_id=REQUEST_ID)
    assert receipt.request_id == NOVA_ID
    (sent,) = stage.sent("POST", ACTION)
    assert sent.body == {"os-stop": None}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID
    assert sent.headers["User-Agent"].startswith("vmmanager ")
    assert sent.headers["OpenStack-API-Version"] == "compute 2.96"


def test_a_create_is_tagged_and_gets_the_only_network(
    stage: Stage, provider: OpenStackCloud
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
        receipt = provider.servers.create(asked, request_id=REQUEST_ID)
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
    stage: Stage, make: MakeProvider, option: str, there: list[str], found: str | None
) -> None:
    stage.speak("GET", NETWORKS, Line(body={"networks": list(map(network, there))}))
    stage.speak("POST", "/compute/v2.1/servers", Line(202, {"server": {"id": "new"}}))
    provider = make(network=option)
    if found is None:
        with pytest.raises(errors.InvalidRequest, match="option 'network'") as caught:
            provider.servers.create(spec(), request_id=REQUEST_ID)
        assert (caught.value.service, caught.value.status) == ("neutron", 400)
    else:
        provider.servers.create(spec(), request_id=REQUEST_ID)
        (sent,) = stage.sent("POST", "/compute/v2.1/servers")
        assert sent.body["server"]["networks"] == [{"uuid": found}]


def test_every_page_is_read_whatever_host_the_links_name(
    stage: Stage, make: MakeProvider
) -> None:
    link = {"rel": "next", "href": f"http://inside{SERVERS}?limit=1&marker=one"}
    stage.speak(
        "GET",
        SERVERS,
        Line(body={"servers": [server()], "servers_links": [link]}),
        Line(body={"servers": [server(id="two")]}),
    )
    found = make(page_size="1").servers.list_all(
        changes_since=datetime(2026, 11, 23, 10, 0, 0, 900_000, tzinfo=UTC)
    )
    assert [s.id for s in found] == ["one", "two"]
    first, second = stage.sent("GET", SERVERS)
    assert first.query == {"limit": ["1"], "changes-since": ["2026-11-23T10:00:00Z"]}
    assert second.query == {"limit": ["1"], "marker": ["one"]}


def test_images_are_paged_and_those_that_do_not_boot_left_out(
    stage: Stage, provider: OpenStackCloud
) -> None:
    image = {
        "id": "i",
        "name": None,
        "status": "active",
        "visibility": "public",
        "size": 7,
        "min_disk": 1,
        "min_ram": 0,
    }
    first = {"images": [image], "next": "/v2/images?marker=i"}
    stage.speak(
        "GET",
        IMAGES,
        Line(body=first),
        Line(body={"images": [{**image, "id": "k", "disk_format": "aki"}]}),
    )
    (found,) = provider.images.list_all()
    assert (found.id, found.name, found.size_bytes) == ("i", "i", 7)
    assert stage.sent("GET", IMAGES)[1].query == {"marker": ["i"]}


def test_snapshots_are_those_of_our_project(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("GET", IMAGES, Line(body={"images": []}))
    provider.images.list_snapshots()
    provider.images.list_snapshots(tag="s-1")
    all_of_them, one = stage.sent("GET", IMAGES)
    assert all_of_them.query == {"image_type": ["snapshot"], "owner": ["ours"]}
    assert one.query == {"vmmanager_tag": ["s-1"], "owner": ["ours"]}


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
    stage: Stage, provider: OpenStackCloud, verb: ServerVerb
) -> None:
    stage.speak("POST", ACTION, Line(202, ""))
    receipt = provider.servers.act("one", verb, request_id=REQUEST_ID)
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
    provider: OpenStackCloud,
    method: str,
    arguments: dict[str, Any],
    body: dict[str, Any],
) -> None:
    stage.speak("POST", ACTION, Line(202, {"image_id": "made"}))
    change = getattr(provider.servers, method)
    receipt = change("one", request_id=REQUEST_ID, **arguments)
    assert [sent.body for sent in stage.sent("POST", ACTION)] == [body]
    assert receipt.created_id == ("made" if method == "snapshot" else None)


def test_a_delete_is_one_request(stage: Stage, provider: OpenStackCloud) -> None:
    for delete, path in (
        (provider.servers.delete, SERVER),
        (provider.images.delete, f"{IMAGES}/one"),
        (provider.networks.delete_port, "/network/v2.0/ports/one"),
    ):
        stage.speak("DELETE", path, Line(204, ""))
        delete("one", request_id=REQUEST_ID)
        assert len(stage.sent("DELETE", path)) == 1


def test_a_port_that_only_services_may_delete_is_released_first(
    stage: Stage, provider: OpenStackCloud
) -> None:
    path = "/network/v2.0/ports/one"
    refusal = {"NeutronError": {"message": "delete_port is disallowed by policy"}}
    stage.speak("DELETE", path, Line(403, refusal), Line(204, ""))
    stage.speak("PUT", path, Line(body={"port": {"id": "one"}}))
    provider.networks.delete_port("one", request_id=REQUEST_ID)
    assert [r.method for r in stage.requests if r.path == path] == [
        "DELETE",
        "PUT",
        "DELETE",
    ]
    (sent,) = stage.sent("PUT", path)
    assert sent.body == {"port": {"device_owner": ""}}


# What answers mean


def test_a_server_is_read_as_nova_shows_it(
    stage: Stage, provider: OpenStackCloud
) -> None:
    fault = {"code": 500, "message": "No valid host was found. ", "created": "x"}
    never = {"OS-SRV-USG:launched_at": None}
    broken = server(status="ERROR", fault=fault, image="", addresses={}, **never)
    stage.speak(
        "GET", SERVER, Line(body={"server": server()}), Line(body={"server": broken})
    )
    found = provider.servers.get("one")
    assert (found.flavor_name, found.vcpus, found.ram_mb) == ("m1.tiny", 1, 512)
    assert found.image_id == "cirros"
    assert [a.ip for a in found.addresses] == ["10.0.0.4"]
    assert found.updated_at == datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert found.launched_at == datetime(2026, 11, 23, 10, 59, 45, tzinfo=UTC)
    found = provider.servers.get("one")
    assert found.fault == Fault(500, "No valid host was found. ")
    assert found.image_id is None
    assert found.launched_at is None


def test_a_server_whose_launch_the_cloud_does_not_tell_counts_as_launched(
    stage: Stage, provider: OpenStackCloud
) -> None:
    silent = server(status="ERROR")
    del silent["OS-SRV-USG:launched_at"]
    stage.speak("GET", SERVER, Line(body={"server": silent}))
    found = provider.servers.get("one")
    assert found.launched_at == found.created_at


def test_a_server_in_a_cell_that_is_down_is_there_but_unknown(
    stage: Stage, provider: OpenStackCloud
) -> None:
    partial = {
        "id": "one",
        "status": "UNKNOWN",
        "created": "2026-11-23T10:59:37Z",
        "tenant_id": "ours",
        "links": [],
    }
    stage.speak("GET", SERVERS, Line(body={"servers": [partial]}))
    (found,) = provider.servers.list_all()
    assert (found.id, found.status, found.flavor_name) == ("one", "UNKNOWN", "")


def test_an_action_ends_with_its_last_event_and_tells_why_it_failed(
    stage: Stage, provider: OpenStackCloud
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
    path = f"{SERVER}/os-instance-actions/{NOVA_ID}"
    stage.speak(
        "GET",
        path,
        action(None),
        action(None, done, running),
        action("Error", done),
        action("Error", failed),
    )
    read = [provider.servers.get_action("one", NOVA_ID) for _ in range(4)]
    assert [(a.finished, a.error) for a in read] == [
        (False, None),
        (False, None),
        (True, "Error"),
        (True, "No valid host was found. "),
    ]
    assert read[0].started_at == datetime(2026, 11, 23, 10, 59, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, {"badRequest": {"message": "Can not find requested image"}}, errors.InvalidRequest, "Can not find requested image"),
        (401, {"error": {"message": "requires authentication"}}, errors.Unauthorized, "requires authentication"),
        (403, {"forbidden": {"message": "Policy doesn't allow"}}, errors.Forbidden, "Policy doesn't allow"),
        (403, {"forbidden": {"message": "Quota exceeded for cores"}}, errors.QuotaExceeded, "Quota exceeded for cores"),
        (403, {"forbidden": {"message": "Maximum number of ports exceeded"}}, errors.QuotaExceeded, "Maximum number of ports exceeded"),
        (403, {"forbidden": {"message": "ours is over a limit for [servers]"}}, errors.QuotaExceeded, "ours is over a limit for [servers]"),
        (404, {"itemNotFound": {"message": "no such server"}}, errors.NotFound, "no such server"),
        (406, {"computeFault": {"message": "unsupported"}}, errors.InvalidRequest, "unsupported"),
        (409, {"conflictingRequest": {"message": "is locked"}}, errors.Conflict, "is locked"),
        (409, {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port']."}}, errors.QuotaExceeded, "Quota exceeded for resources: ['port']."),
        (413, {"overLimit": {"message": "too much"}}, errors.QuotaExceeded, "too much"),
        (429, {"overLimit": {"message": "slow down"}}, errors.Unreachable, "slow down"),
        (500, {"computeFault": {"message": "Unexpected API Error."}}, errors.Unavailable, "Unexpected API Error."),
        (502, "<html><h1>502 Bad Gateway</h1></html>", errors.Unavailable, "502 Bad Gateway"),
        (503, {"computeFault": {"code": 503, "message": "Service Unavailable"}}, errors.Unreachable, "Service Unavailable"),
        (503, {"message": "Try again.", "code": "503 Service Unavailable", "title": "Service Unavailable"}, errors.Unreachable, "Try again."),
        (503, {"message": "no healthy upstream"}, errors.Unavailable, "no healthy upstream"),
        (503, "<html><head><title>503</title></head><body><h1>No server is available</h1></body></html>", errors.Unavailable, "No server is available"),
        (504, "", errors.Unavailable, "Gateway Timeout"),
        (409, {"message": "flat"}, errors.Conflict, "flat"),
        (409, ["odd"], errors.Conflict, '["odd"]'),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_class_service_status_and_words(
    stage: Stage,
    provider: OpenStackCloud,
    status: int,
    body: object,
    error: type[errors.ProviderError],
    message: str,
) -> None:
    stage.speak("POST", ACTION, Line(status, body, {"X-Openstack-Request-Id": NOVA_ID}))
    with pytest.raises(errors.ProviderError) as caught:
        provider.servers.act("one", "stop", request_id=REQUEST_ID)
    told = caught.value
    assert type(told) is error
    assert (told.service, told.status, told.message) == ("nova", status, message)
    assert told.request_id == NOVA_ID


@pytest.mark.parametrize(
    "body", ["not json", "[]", {}, {"server": None}, {"server": {"id": "one"}}]
)
def test_an_answer_outside_novas_contract_is_one_defined_error(
    stage: Stage, provider: OpenStackCloud, body: object
) -> None:
    stage.speak("GET", SERVER, Line(body=body))
    with pytest.raises(errors.UnexpectedResponse) as caught:
        provider.servers.get("one")
    assert caught.value.service == "nova"


# Where nothing answers


def test_a_token_that_is_refused_is_replaced_unseen(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("GET", SERVER, Line(401, {}), Line(body={"server": server()}))
    assert provider.servers.get("one").status == "ACTIVE"
    assert len(stage.sent("POST", "/v3/auth/tokens")) == 2


def test_wrong_credentials_are_told_as_such(
    stage: Stage, provider: OpenStackCloud
) -> None:
    refused = Line(401, {"error": {"message": "The password is wrong.", "code": 401}})
    stage.speak("POST", "/v3/auth/tokens", refused)
    with pytest.raises(errors.Unauthorized) as caught:
        provider.servers.get("one")
    assert (caught.value.service, caught.value.status) == ("keystone", 401)
    assert not caught.value.retryable


def test_a_keystone_that_fails_means_that_nothing_was_sent(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("POST", "/v3/auth/tokens", Line(503, {}))
    with pytest.raises(errors.Unreachable) as caught:
        provider.servers.act("one", "stop", request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.status) == ("keystone", 503)
    stage.speak("POST", "/v3/auth/tokens", stage.token())
    stage.speak("POST", ACTION, Line(202, ""))
    provider.servers.act("one", "stop", request_id=REQUEST_ID)
    assert len(stage.sent("POST", ACTION)) == 1


def test_a_port_where_nobody_listens_means_that_nothing_was_sent(
    make: MakeProvider,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    provider = make(auth_url=f"http://127.0.0.1:{port}/v3")
    with pytest.raises(errors.Unreachable) as caught:
        provider.servers.list_all()
    assert caught.value.service == "keystone"
    assert (caught.value.retryable, caught.value.ambiguous) == (True, False)


def test_an_answer_that_does_not_come_in_time_is_a_timeout(
    stage: Stage, make: MakeProvider
) -> None:
    provider = make(timeout="0.4")
    assert provider.call_timeout == 0.4
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    provider.servers.get("one")
    stage.speak("POST", ACTION, Line(202, "", delay=1.0))
    with pytest.raises(errors.Timeout) as caught:
        provider.servers.act("one", "stop", request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.ambiguous) == ("nova", True)
    stage.speak("POST", "/v3/auth/tokens", Line(401, {}, delay=1.0))
    stage.speak("GET", SERVER, Line(401, {}))
    with pytest.raises(errors.Unreachable):  # the refused call, then Keystone
        provider.servers.get("one")


def test_a_console_that_somebody_waits_for_has_less_time(
    stage: Stage, make: MakeProvider
) -> None:
    provider = make(timeout="30")
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    provider.servers.get("one")
    stage.speak("POST", ACTION, Line(body={"output": "login:"}, delay=5.0))
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):
        provider.servers.get_console_log("one", lines=1, timeout=0.4)
    assert time.monotonic() - begun < 4


def test_a_connection_that_breaks_may_have_carried_the_call(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("POST", ACTION, Line(drop=True))
    with pytest.raises(errors.Unavailable) as caught:
        provider.servers.act("one", "stop", request_id=REQUEST_ID)
    assert caught.value.ambiguous
    assert len(stage.sent("POST", ACTION)) == 1  # nothing below us repeats a write


@pytest.mark.parametrize(
    ("most", "spoken"), [("2.69", "2.69"), ("2.68", None), ("2.1", None)]
)
def test_an_old_nova_is_told_which_microversion_is_needed(
    stage: Stage, provider: OpenStackCloud, most: str, spoken: str | None
) -> None:
    stage.microversions("2.1", most)
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    if spoken:
        provider.servers.get("one")
        sent = stage.sent("GET", SERVER)[0]
        assert sent.headers["OpenStack-API-Version"] == f"compute {spoken}"
    else:
        with pytest.raises(errors.UnexpectedResponse, match=r"2\.69 is needed"):
            provider.servers.get("one")


# Configuration and threads


def test_options_are_checked(make: MakeProvider) -> None:
    for options, words in (
        ({"colour": "red"}, "'colour'"),
        ({"timeout": "0"}, "'timeout'"),
        ({"page_size": "many"}, "'page_size'"),
    ):
        with pytest.raises(ValueError, match=words):
            make(**options)
    with pytest.raises(ValueError, match="nowhere"):
        OpenStackCloud(cloud="nowhere")


def test_threads_have_connections_of_their_own_and_lend_them_on(
    stage: Stage, provider: OpenStackCloud
) -> None:
    stage.speak("GET", SERVER, Line(body={"server": server()}, delay=0.05))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(provider.servers.get, ["one"] * 20))
    tokens = len(stage.sent("POST", "/v3/auth/tokens"))
    assert 1 < tokens <= 4
    provider.servers.get("one")
    assert len(stage.sent("POST", "/v3/auth/tokens")) == tokens
