"""The mock in time: what it shows while it works."""

from collections.abc import Callable

import pytest

from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.errors import (
    InvalidRequest,
    NotFound,
)
from providers.mock import MockCloud
from tests.support.clock import Clock
from tests.support.mock_servers import (
    AGES,
    REQUEST_ID,
    boot,
    hard_reboot,
    newest_action,
    reboot,
    rebuild,
    resize,
    shelve,
    snapshot,
    spec,
    stop,
)


def watch(cloud: Cloud, clock: Clock, server_id: str) -> list[tuple[str, str | None]]:
    """Return each (status, task_state) that a server passes, in order."""
    seen: list[tuple[str, str | None]] = []
    for _ in range(100):
        server = cloud.servers.get(server_id)
        if not seen or seen[-1] != (server.status, server.task_state):
            seen.append((server.status, server.task_state))
        clock.advance(0.05)
    return seen


def test_a_build_passes_the_steps_of_nova(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock)
    assert slow_mock.servers.get(server_id).addresses == ()
    assert watch(slow_mock, clock, server_id) == [
        ("BUILD", "scheduling"),
        ("BUILD", "networking"),
        ("BUILD", "spawning"),
        ("ACTIVE", None),
    ]
    assert slow_mock.servers.get(server_id).addresses != ()


@pytest.mark.parametrize(
    ("act", "passed"),
    [
        (stop, [("ACTIVE", "powering-off"), ("SHUTOFF", None)]),
        (reboot, [("REBOOT", "rebooting"), ("ACTIVE", None)]),
        (hard_reboot, [("HARD_REBOOT", "rebooting_hard"), ("ACTIVE", None)]),
        (
            shelve,
            [
                ("ACTIVE", "shelving"),
                ("ACTIVE", "shelving_image_pending_upload"),
                ("ACTIVE", "shelving_image_uploading"),
                ("SHELVED", "shelving_offloading"),
                ("SHELVED_OFFLOADED", None),
            ],
        ),
        (
            resize,
            [
                ("RESIZE", "resize_prep"),
                ("RESIZE", "resize_migrating"),
                ("RESIZE", "resize_migrated"),
                ("RESIZE", "resize_finish"),
                ("VERIFY_RESIZE", None),
            ],
        ),
        (
            rebuild,
            [
                ("REBUILD", "rebuilding"),
                ("REBUILD", "rebuild_block_device_mapping"),
                ("REBUILD", "rebuild_spawning"),
                ("ACTIVE", None),
            ],
        ),
        (
            snapshot,
            [
                ("ACTIVE", "image_snapshot"),
                ("ACTIVE", "image_snapshot_pending"),
                ("ACTIVE", "image_pending_upload"),
                ("ACTIVE", "image_uploading"),
                ("ACTIVE", None),
            ],
        ),
    ],
)
def test_an_action_shows_the_words_of_nova(
    slow_mock: MockCloud,
    clock: Clock,
    act: Callable[[MockCloud, str], Receipt],
    passed: list[tuple[str, str | None]],
) -> None:
    server_id = boot(slow_mock, clock=clock)
    act(slow_mock, server_id)
    assert not newest_action(slow_mock, server_id).finished
    assert watch(slow_mock, clock, server_id) == passed
    assert newest_action(slow_mock, server_id).finished


def test_a_confirmation_sets_no_task(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    resize(slow_mock, server_id)
    clock.advance(AGES)
    slow_mock.servers.act(server_id, "confirm_resize", request_id=REQUEST_ID)
    clock.advance(0.6)
    server = slow_mock.servers.get(server_id)
    assert (server.status, server.task_state) == ("VERIFY_RESIZE", None)
    with pytest.raises(InvalidRequest, match="has not been resized"):
        slow_mock.servers.act(server_id, "confirm_resize", request_id=REQUEST_ID)
    clock.advance(0.2)
    assert slow_mock.servers.get(server_id).status == "ACTIVE"


def test_the_clock_alone_brings_a_server_into_changes_since(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    stop(slow_mock, server_id)
    clock.advance(0.9)
    since = clock.now
    assert slow_mock.servers.list_all(changes_since=since) == []
    clock.advance(0.2)
    changed = slow_mock.servers.list_all(changes_since=since)
    assert [server.status for server in changed] == ["SHUTOFF"]


def test_a_deleted_server_lingers_as_deleted(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    again = slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    assert again.request_id not in {
        action.request_id for action in slow_mock.servers.list_actions(server_id)
    }
    assert slow_mock.servers.get(server_id).task_state == "deleting"
    clock.advance(0.9)
    assert slow_mock.servers.get(server_id).status == "DELETED"
    assert slow_mock.servers.list_all() == []
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    clock.advance(0.3)
    with pytest.raises(NotFound):
        slow_mock.servers.get(server_id)


def test_a_clock_behind_the_record_shows_its_beginning(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    stop(slow_mock, server_id)
    clock.advance(-1)
    assert slow_mock.servers.get(server_id).task_state == "powering-off"


def test_a_snapshot_is_queued_then_saving_then_active(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    image_id = snapshot(slow_mock, server_id).created_id
    assert image_id is not None
    statuses = []
    for _ in range(30):
        (image,) = slow_mock.images.list_snapshots(tag="snap-1")
        assert (image.size_bytes is None) == (image.status != "active")
        if image.status not in statuses:
            statuses.append(image.status)
        clock.advance(0.1)
    assert statuses == ["queued", "saving", "active"]


def test_an_unfinished_snapshot_cannot_be_booted(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id, other_id = boot(slow_mock), boot(slow_mock, clock=clock)
    image_id = snapshot(slow_mock, server_id).created_id
    assert image_id is not None
    assert image_id not in {image.id for image in slow_mock.images.list_all()}
    with pytest.raises(InvalidRequest, match="not active"):
        slow_mock.servers.rebuild(other_id, image_id=image_id, request_id=REQUEST_ID)


def test_a_snapshot_ends_with_its_server(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    snapshot(slow_mock, server_id)
    slow_mock.servers.delete(server_id, request_id=REQUEST_ID)
    assert slow_mock.images.list_snapshots() == []


def test_an_operators_error_can_be_left_by_a_reboot(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.controls.poke(server_id, status="ERROR", fault="The host lost its disk.")
    fault = mock.servers.get(server_id).fault
    assert fault is not None
    assert (fault.code, fault.message) == (500, "The host lost its disk.")
    hard_reboot(mock, server_id)
    server = mock.servers.get(server_id)
    assert (server.status, server.fault) == ("ACTIVE", None)


def test_the_console_has_the_last_lines(mock: MockCloud) -> None:
    server_id = boot(mock, spec("web-7"))
    assert mock.servers.get_console_log(server_id, lines=1) == "web-7 login: "
    assert mock.servers.get_console_log(server_id, lines=0) == ""
