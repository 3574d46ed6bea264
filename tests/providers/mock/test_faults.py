"""The mock misbehaves when told to, once and nowhere else."""

import re
import time
from pathlib import Path

import pytest

from providers.contract.servers import Fault
from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Timeout,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from providers.mock import MockCloud
from providers.mock.world.faults import Kind
from tests.support.clock import Clock
from tests.support.mock_servers import (
    AGES,
    FLAVOR_ID,
    IMAGE_ID,
    REQUEST_ID,
    boot,
    newest_action,
    spec,
)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, QuotaExceeded),
        (500, Unavailable),
        (503, Unavailable),
        (None, Unavailable),
    ],
)
def test_a_call_fails_with_the_error_of_a_status(
    mock: MockCloud, status: int | None, error: type[ProviderError]
) -> None:
    mock.controls.inject("servers.create", kind="fail", status=status)
    with pytest.raises(error) as caught:
        boot(mock)
    assert caught.value.status == (status or 500)
    assert caught.value.request_id
    assert mock.servers.list_all() == []
    boot(mock)
    assert mock.controls.pending_faults() == 0


def test_one_with_outages_is_away_for_a_minute_in_so_many(
    mock_path: Path,
) -> None:
    clock = Clock()
    mock = MockCloud(path=str(mock_path), outages="3", clock=clock)
    heard = []
    for _ in range(9):
        try:
            mock.flavors.list_all()
            mock.networks.list_all()
            heard.append(True)
        except Unreachable:
            heard.append(False)
        clock.advance(60)
    assert heard[:3].count(False) == 1
    assert heard == heard[:3] * 3


def test_a_fault_acts_as_often_as_told(mock: MockCloud) -> None:
    mock.controls.inject(
        "images.list_all", kind="fail", times=2, message="Glance is down"
    )
    for _ in range(2):
        with pytest.raises(Unavailable, match="Glance is down"):
            mock.images.list_all()
    assert mock.images.list_all()


def test_a_fault_can_act_for_ever_until_it_is_cleared(mock: MockCloud) -> None:
    mock.controls.inject("*", kind="fail", times=0, status=401)
    for call in (
        mock.images.list_all,
        mock.flavors.list_all,
        mock.servers.list_all,
    ) * 2:
        with pytest.raises(Unauthorized):
            call()
    mock.controls.clear_faults()
    assert mock.servers.list_all() == []


def test_a_fault_waits_for_the_server_it_matches(mock: MockCloud) -> None:
    one, two = boot(mock, spec("web-1")), boot(mock, spec("web-2"))
    mock.controls.inject("servers.stop", kind="fail", match=r"^web-2 ")
    mock.controls.inject(
        "servers.stop", kind="fail", match=re.escape(one) + "$", status=409
    )
    with pytest.raises(Conflict):
        mock.servers.act(one, "stop", request_id=REQUEST_ID)
    mock.servers.act(one, "stop", request_id=REQUEST_ID)
    with pytest.raises(Unavailable):
        mock.servers.act(two, "stop", request_id=REQUEST_ID)


def test_full_and_changed_listings_are_told_apart(
    slow_mock: MockCloud, clock: Clock
) -> None:
    slow_mock.controls.inject("servers.list_all", kind="fail", match="full")
    assert slow_mock.servers.list_all(changes_since=clock.now) == []
    with pytest.raises(Unavailable):
        slow_mock.servers.list_all()


def test_faults_of_one_kind_act_one_after_the_other(mock: MockCloud) -> None:
    mock.controls.inject("flavors.list_all", kind="fail", status=503)
    mock.controls.inject("flavors.list_all", kind="quota", message="Enough.")
    with pytest.raises(Unavailable):
        mock.flavors.list_all()
    with pytest.raises(QuotaExceeded, match="Enough"):
        mock.flavors.list_all()
    assert mock.flavors.list_all()


def test_a_full_quota_has_the_words_of_nova(mock: MockCloud) -> None:
    mock.controls.inject("servers.create", kind="quota")
    with pytest.raises(QuotaExceeded, match="Quota exceeded for instances: Requested"):
        boot(mock)


def test_a_hanging_call_does_no_work(mock: MockCloud) -> None:
    mock.controls.inject("servers.create", kind="hang", delay=0.05)
    began = time.monotonic()
    with pytest.raises(Timeout):
        boot(mock)
    assert time.monotonic() - began >= 0.05
    assert mock.servers.list_all() == []


def test_no_call_hangs_longer_than_its_timeout(mock: MockCloud) -> None:
    mock.world.call_timeout = 0.05
    mock.controls.inject("servers.list_all", kind="hang", delay=3600)
    with pytest.raises(Timeout) as caught:
        mock.servers.list_all()
    assert caught.value.ambiguous


def test_a_slow_call_works(mock: MockCloud) -> None:
    mock.controls.inject("servers.create", kind="slow", delay=0.05)
    began = time.monotonic()
    boot(mock)
    assert time.monotonic() - began >= 0.05


def test_a_lost_response_leaves_the_work_done(mock: MockCloud) -> None:
    mock.controls.inject("servers.create", kind="lose_response")
    with pytest.raises(Timeout):
        boot(mock, spec(tag="vm-7"))
    assert len(mock.servers.find(tag="vm-7")) == 1


def test_a_refused_call_has_no_response_to_lose(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.controls.inject("servers.start", kind="lose_response")
    with pytest.raises(Conflict):
        mock.servers.act(server_id, "start", request_id=REQUEST_ID)


def test_a_listing_fails_after_its_first_page(mock: MockCloud) -> None:
    boot(mock)
    mock.controls.inject("servers.list_all", kind="truncate", status=503)
    with pytest.raises(Unavailable):
        mock.servers.list_all()
    assert len(mock.servers.list_all()) == 1


def test_a_new_server_can_be_hidden_for_a_while(
    slow_mock: MockCloud, clock: Clock
) -> None:
    slow_mock.controls.inject("servers.create", kind="hidden", delay=5)
    slow_mock.controls.inject("servers.create", kind="lose_response")
    with pytest.raises(Timeout):
        boot(slow_mock)
    assert slow_mock.servers.list_all() == []
    assert slow_mock.servers.find(tag="vm-1") == []
    clock.advance(5)
    (server,) = slow_mock.servers.find(tag="vm-1")
    assert slow_mock.servers.get(server.id) == server


def test_a_hidden_server_cannot_be_got_or_changed(
    slow_mock: MockCloud, clock: Clock
) -> None:
    slow_mock.controls.inject("servers.create", kind="hidden", delay=5)
    server_id = boot(slow_mock)
    with pytest.raises(NotFound):
        slow_mock.servers.get(server_id)
    with pytest.raises(NotFound):
        slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    clock.advance(AGES)
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)


@pytest.mark.parametrize("kind", ["build_error", "fail_async"])
def test_a_build_ends_in_error(slow_mock: MockCloud, clock: Clock, kind: Kind) -> None:
    slow_mock.controls.inject("servers.create", kind=kind)
    server_id = boot(slow_mock)
    assert slow_mock.servers.get(server_id).status == "BUILD"
    clock.advance(AGES)
    server = slow_mock.servers.get(server_id)
    assert server.status == "ERROR"
    assert server.fault == Fault(500, "No valid host was found. ")
    assert server.addresses == ()
    assert slow_mock.servers.list_actions(server_id)[0].error == "Error"
    # It never ran, so Nova deletes it and nothing else.
    with pytest.raises(Conflict, match="is in an invalid state for 'reboot'"):
        slow_mock.servers.reboot(server_id, hard=True, request_id=REQUEST_ID)


def test_a_failed_stop_is_seen_in_its_record_only(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.stop", kind="fail_async")
    receipt = slow_mock.servers.act(server_id, "stop", request_id=REQUEST_ID)
    assert slow_mock.servers.get(server_id).task_state == "powering-off"
    assert slow_mock.servers.list_actions(server_id)[0].error is None
    clock.advance(AGES)
    server = slow_mock.servers.get(server_id)
    assert (server.status, server.task_state, server.fault) == ("ACTIVE", None, None)
    action = newest_action(slow_mock, server_id)
    assert (action.request_id, action.finished, action.error) == (
        receipt.request_id,
        True,
        "Error",
    )


def test_a_failed_resize_leaves_the_server_as_it_was(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.controls.inject("servers.resize", kind="fail_async")
    mock.servers.resize(
        server_id, flavor_id=FLAVOR_ID["m1.small"], request_id=REQUEST_ID
    )
    server = mock.servers.get(server_id)
    assert (server.status, server.flavor_name) == ("ACTIVE", "m1.tiny")
    assert mock.servers.list_actions(server_id)[0].error == "Error"


def test_a_failed_reboot_looks_as_if_it_had_worked(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.controls.inject("servers.reboot", kind="fail_async", times=2)
    mock.servers.reboot(server_id, hard=False, request_id=REQUEST_ID)
    assert mock.servers.get(server_id).status == "ACTIVE"
    assert mock.servers.list_actions(server_id)[0].error is None
    mock.servers.act(server_id, "stop", request_id=REQUEST_ID)
    mock.servers.reboot(server_id, hard=True, request_id=REQUEST_ID)
    assert mock.servers.get(server_id).status == "SHUTOFF"
    assert mock.servers.list_actions(server_id)[0].error == "Error"


def test_a_failed_snapshot_vanishes(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.snapshot", kind="fail_async")
    slow_mock.servers.snapshot(
        server_id, name="nightly", tag="snap-1", request_id=REQUEST_ID
    )
    assert [i.status for i in slow_mock.images.list_snapshots()] == ["queued"]
    clock.advance(AGES)
    assert slow_mock.images.list_snapshots() == []
    assert slow_mock.servers.get(server_id).task_state is None


def test_some_failures_end_in_error(mock: MockCloud) -> None:
    one, two, three = boot(mock), boot(mock), boot(mock)
    mock.controls.inject("*", kind="fail_async", message="Disk I/O", times=0)
    mock.servers.rebuild(one, image_id=IMAGE_ID["debian-12"], request_id=REQUEST_ID)
    mock.servers.delete(two, request_id=REQUEST_ID)
    mock.controls.clear_faults()
    mock.servers.resize(three, flavor_id=FLAVOR_ID["m1.small"], request_id=REQUEST_ID)
    mock.controls.inject("servers.confirm_resize", kind="fail_async")
    mock.servers.act(three, "confirm_resize", request_id=REQUEST_ID)
    faults = {server.id: server.fault for server in mock.servers.list_all()}
    assert faults == {
        one: Fault(500, "Disk I/O"),
        two: Fault(500, "Disk I/O"),
        three: Fault(500, "The confirmResize failed."),
    }


def test_a_stuck_action_never_ends(slow_mock: MockCloud, clock: Clock) -> None:
    slow_mock.controls.inject("servers.create", kind="stuck")
    building = boot(slow_mock)
    server_id = boot(slow_mock, clock=clock)
    slow_mock.controls.inject("servers.snapshot", kind="stuck")
    slow_mock.servers.snapshot(
        server_id, name="nightly", tag="snap-1", request_id=REQUEST_ID
    )
    clock.advance(86400)
    assert slow_mock.servers.get(building).status == "BUILD"
    assert slow_mock.servers.get(server_id).task_state == "image_snapshot"
    assert [i.status for i in slow_mock.images.list_snapshots()] == ["queued"]
    assert not newest_action(slow_mock, server_id).finished
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)


def test_a_fault_that_cannot_act_is_refused(mock: MockCloud) -> None:
    with pytest.raises(ValueError, match="is no call"):
        mock.controls.inject("dance", kind="fail")
    with pytest.raises(ValueError, match="is no kind"):
        mock.controls.inject("servers.stop", kind="explode")  # type: ignore[arg-type]  # the point
    with pytest.raises(ValueError, match="418"):
        mock.controls.inject("servers.stop", kind="fail", status=418)
    with pytest.raises(
        ValueError, match=r"servers\.create, subnets\.create, not on 'servers\.stop'"
    ):
        mock.controls.inject("servers.stop", kind="hidden")
    with pytest.raises(re.error):
        mock.controls.inject("servers.stop", kind="fail", match="(")
    assert mock.controls.pending_faults() == 0


def test_a_fault_on_everything_waits_for_a_call_it_can_act_on(
    mock: MockCloud,
) -> None:
    mock.controls.inject("*", kind="hidden", delay=60)
    mock.controls.inject("*", kind="stuck")
    mock.servers.list_all()
    mock.images.list_all()
    assert mock.controls.pending_faults() == 2
    boot(mock)
    assert mock.controls.pending_faults() == 0
