"""Requests to a stage and its answers, whatever they are about."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from providers import errors
from providers.openstack import OpenStackCloud
from providers.openstack.wire import transport
from tests.providers.openstack.conftest import MakeCloud
from tests.support.fake_openstack import (
    ACTION,
    NETWORKS,
    NOVA_ID,
    REQUEST_ID,
    SERVER,
    SERVERS,
    Line,
    Stage,
    server,
)


def test_a_write_carries_our_request_id_our_name_and_the_microversion(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", ACTION, Line(202, "", {"X-Openstack-Request-Id": NOVA_ID}))
    receipt = cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert receipt.request_id == NOVA_ID
    (sent,) = stage.sent("POST", ACTION)
    assert sent.body == {"os-stop": None}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID
    assert sent.headers["User-Agent"].startswith("vmmanager ")
    assert sent.headers["OpenStack-API-Version"] == "compute 2.96"


def test_every_page_is_read_whatever_host_the_links_name(
    stage: Stage, make: MakeCloud
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
    cloud: OpenStackCloud,
    status: int,
    body: object,
    error: type[errors.ProviderError],
    message: str,
) -> None:
    stage.speak("POST", ACTION, Line(status, body, {"X-Openstack-Request-Id": NOVA_ID}))
    with pytest.raises(errors.ProviderError) as caught:
        cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    told = caught.value
    assert type(told) is error
    assert (told.service, told.status, told.message) == ("nova", status, message)
    assert told.request_id == NOVA_ID


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (400, "InvalidInput", "overlaps with another subnet", errors.InvalidRequest),
        (400, "DNSNameServersExhausted", "exceeds quota 5", errors.InvalidRequest),
        (403, "PolicyNotAuthorized", "create_quota is disallowed", errors.Forbidden),
        (404, "ExternalGatewayForFloatingIPNotFound", "not reachable", errors.NotFound),
        (409, "IpAddressGenerationFailure", "No more IP addresses", errors.Conflict),
        (409, "NetworkInUse", "network over limit, quota", errors.Conflict),
        (409, "OverQuota", "full", errors.QuotaExceeded),
        (412, "RevisionNumberConstraintFailed", "Constrained to 2", errors.Conflict),
        (503, "ServiceUnavailable", "Try again", errors.Unreachable),
    ],
)
def test_neutrons_name_of_a_refusal_decides(
    stage: Stage,
    cloud: OpenStackCloud,
    status: int,
    code: str,
    message: str,
    error: type[errors.ProviderError],
) -> None:
    body = {"NeutronError": {"type": code, "message": message, "detail": ""}}
    stage.speak("DELETE", f"{NETWORKS}/one", Line(status, body))
    with pytest.raises(errors.ProviderError) as caught:
        cloud.networks.delete("one", request_id=REQUEST_ID)
    assert type(caught.value) is error
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_name_in_novas_words_makes_no_quota(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    words = "Key pair 'quota exceeded' already exists."
    stage.speak("POST", ACTION, Line(409, {"conflictingRequest": {"message": words}}))
    with pytest.raises(errors.Conflict, match="quota exceeded") as caught:
        cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert caught.value.code == ""


@pytest.mark.parametrize(
    "body", ["not json", "[]", {}, {"server": None}, {"server": {"id": "one"}}]
)
def test_an_answer_outside_novas_contract_is_one_defined_error(
    stage: Stage, cloud: OpenStackCloud, body: object
) -> None:
    stage.speak("GET", SERVER, Line(body=body))
    with pytest.raises(errors.UnexpectedResponse) as caught:
        cloud.servers.get("one")
    assert caught.value.service == "nova"


def test_a_token_that_is_refused_is_replaced_unseen(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("GET", SERVER, Line(401, {}), Line(body={"server": server()}))
    assert cloud.servers.get("one").status == "ACTIVE"
    assert len(stage.sent("POST", "/v3/auth/tokens")) == 2


def test_wrong_credentials_are_told_as_such(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    refused = Line(401, {"error": {"message": "The password is wrong.", "code": 401}})
    stage.speak("POST", "/v3/auth/tokens", refused)
    with pytest.raises(errors.Unauthorized) as caught:
        cloud.servers.get("one")
    assert (caught.value.service, caught.value.status) == ("keystone", 401)
    assert not caught.value.retryable


def test_a_keystone_that_fails_means_that_nothing_was_sent(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", "/v3/auth/tokens", Line(503, {}))
    with pytest.raises(errors.Unreachable) as caught:
        cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.status) == ("keystone", 503)
    stage.speak("POST", "/v3/auth/tokens", stage.token())
    stage.speak("POST", ACTION, Line(202, ""))
    cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert len(stage.sent("POST", ACTION)) == 1


def test_a_port_where_nobody_listens_means_that_nothing_was_sent(
    make: MakeCloud,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    cloud = make(auth_url=f"http://127.0.0.1:{port}/v3")
    with pytest.raises(errors.Unreachable) as caught:
        cloud.servers.list_all()
    assert caught.value.service == "keystone"
    assert (caught.value.retryable, caught.value.ambiguous) == (True, False)


def test_a_host_that_takes_no_connection_is_left_alone_for_a_while(
    make: MakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.5)
    monkeypatch.setattr(transport, "REST_SECONDS", 1.0)
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())  # there is room for one
        cloud = make(auth_url=f"http://127.0.0.1:{full.getsockname()[1]}/v3")

        def refused(words: str) -> float:
            begun = time.monotonic()
            with pytest.raises(errors.Unreachable, match=words):
                cloud.servers.list_all()
            return time.monotonic() - begun

        assert refused("Cannot reach") >= 0.5
        assert max(refused("took no connection lately") for _ in range(20)) < 0.4
        time.sleep(1.0)
        assert refused("Cannot reach") >= 0.5


def test_an_answer_that_does_not_come_in_time_is_a_timeout(
    stage: Stage, make: MakeCloud
) -> None:
    cloud = make(timeout="0.4")
    assert cloud.call_timeout == 0.4
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    cloud.servers.get("one")
    stage.speak("POST", ACTION, Line(202, "", delay=1.0))
    with pytest.raises(errors.Timeout) as caught:
        cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.ambiguous) == ("nova", True)
    stage.speak("POST", "/v3/auth/tokens", Line(401, {}, delay=1.0))
    stage.speak("GET", SERVER, Line(401, {}))
    with pytest.raises(errors.Unreachable):  # the refused call, then Keystone
        cloud.servers.get("one")


def test_a_connection_that_breaks_may_have_carried_the_call(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("POST", ACTION, Line(drop=True))
    with pytest.raises(errors.Unavailable) as caught:
        cloud.servers.act("one", "stop", request_id=REQUEST_ID)
    assert caught.value.ambiguous
    assert len(stage.sent("POST", ACTION)) == 1  # nothing below us repeats a write


@pytest.mark.parametrize(
    ("most", "spoken"), [("2.69", "2.69"), ("2.68", None), ("2.1", None)]
)
def test_an_old_nova_is_told_which_microversion_is_needed(
    stage: Stage, cloud: OpenStackCloud, most: str, spoken: str | None
) -> None:
    stage.microversions("2.1", most)
    stage.speak("GET", SERVER, Line(body={"server": server()}))
    if spoken:
        cloud.servers.get("one")
        sent = stage.sent("GET", SERVER)[0]
        assert sent.headers["OpenStack-API-Version"] == f"compute {spoken}"
    else:
        with pytest.raises(errors.UnexpectedResponse, match=r"2\.69 is needed"):
            cloud.servers.get("one")


def test_options_are_checked(make: MakeCloud) -> None:
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
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("GET", SERVER, Line(body={"server": server()}, delay=0.05))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(cloud.servers.get, ["one"] * 20))
    tokens = len(stage.sent("POST", "/v3/auth/tokens"))
    assert 1 < tokens <= 4
    cloud.servers.get("one")
    assert len(stage.sent("POST", "/v3/auth/tokens")) == tokens
