"""The mock in time: what it shows while it works, and what it then refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from providers.base import Provider, Receipt, ServerSpec
from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
)
from providers.mock import MockProvider, SeedServer
from providers.mock.guards import GUARDS
from tests.providers.boot import AGES, FLAVOR_ID, IMAGE_ID, REQUEST_ID, boot, spec
from tests.providers.clock import Clock
from tests.providers.lab import Lab
from tests.providers.verbs import NOVA_GUARDS, VERBS, Verb


def watch(
    provider: Provider, clock: Clock, server_id: str
) -> list[tuple[str, str | None]]:
    """Return each (status, task_state) that a server passes, in order."""
    seen: list[tuple[str, str | None]] = []
    for _ in range(100):
        server = provider.get_server(server_id)
        if not seen or seen[-1] != (server.status, server.task_state):
            seen.append((server.status, server.task_state))
        clock.advance(0.05)
    return seen


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_is_the_one_in_novas_source(name: str) -> None:
    def words(states: str | list[str | None]) -> frozenset[str | None] | None:
        if isinstance(states, str):
            assert states == "any"
            return None
        return frozenset(s if s is None else s.lower() for s in states)

    guard, nova = GUARDS[name], NOVA_GUARDS[name]
    assert guard.vm_states == words(nova["permit"]["vm_state"])
    assert guard.task_states == words(nova["permit"]["task_state"])
    assert guard.launched == nova["permit"]["must_have_launched"]
    assert guard.on_host == bool(nova.get("needs_host"))
    # The lock is checked in reboot(), which calls these two.
    in_caller = name in ("_soft_reboot", "_hard_reboot")
    assert guard.unlocked == (nova.get("lock_checked", False) or in_caller)


def test_a_build_passes_the_steps_of_nova(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock)
    assert slow_mock.get_server(server_id).addresses == ()
    assert watch(slow_mock, clock, server_id) == [
        ("BUILD", "scheduling"),
        ("BUILD", "networking"),
        ("BUILD", "spawning"),
        ("ACTIVE", None),
    ]
    assert slow_mock.get_server(server_id).addresses != ()


def _stop(mock: MockProvider, server_id: str) -> Receipt:
    return mock.stop_server(server_id, request_id=REQUEST_ID)


def _reboot(mock: MockProvider, server_id: str) -> Receipt:
    return mock.reboot_server(server_id, hard=False, request_id=REQUEST_ID)


def _hard_reboot(mock: MockProvider, server_id: str) -> Receipt:
    return mock.reboot_server(server_id, hard=True, request_id=REQUEST_ID)


def _shelve(mock: MockProvider, server_id: str) -> Receipt:
    return mock.shelve_server(server_id, request_id=REQUEST_ID)


def _resize(mock: MockProvider, server_id: str) -> Receipt:
    return mock.resize_server(
        server_id, flavor_id=FLAVOR_ID["m1.small"], request_id=REQUEST_ID
    )


def _rebuild(mock: MockProvider, server_id: str) -> Receipt:
    return mock.rebuild_server(
        server_id, image_id=IMAGE_ID["debian-12"], request_id=REQUEST_ID
    )


def _snapshot(mock: MockProvider, server_id: str) -> Receipt:
    return mock.snapshot_server(
        server_id, name="nightly", tag="snap-1", request_id=REQUEST_ID
    )


@pytest.mark.parametrize(
    ("act", "passed"),
    [
        (_stop, [("ACTIVE", "powering-off"), ("SHUTOFF", None)]),
        (_reboot, [("REBOOT", "rebooting"), ("ACTIVE", None)]),
        (_hard_reboot, [("HARD_REBOOT", "rebooting_hard"), ("ACTIVE", None)]),
        (
            _shelve,
            [
                ("ACTIVE", "shelving"),
                ("ACTIVE", "shelving_image_pending_upload"),
                ("ACTIVE", "shelving_image_uploading"),
                ("SHELVED", "shelving_offloading"),
                ("SHELVED_OFFLOADED", None),
            ],
        ),
        (
            _resize,
            [
                ("RESIZE", "resize_prep"),
                ("RESIZE", "resize_migrating"),
                ("RESIZE", "resize_migrated"),
                ("RESIZE", "resize_finish"),
                ("VERIFY_RESIZE", None),
            ],
        ),
        (
            _rebuild,
            [
                ("REBUILD", "rebuilding"),
                ("REBUILD", "rebuild_block_device_mapping"),
                ("REBUILD", "rebuild_spawning"),
                ("ACTIVE", None),
            ],
        ),
        (
            _snapshot,
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
    slow_mock: MockProvider,
    clock: Clock,
    act: Callable[[MockProvider, str], Receipt],
    passed: list[tuple[str, str | None]],
) -> None:
    server_id = boot(slow_mock, clock=clock)
    act(slow_mock, server_id)
    assert not slow_mock.list_actions(server_id)[0].finished
    assert watch(slow_mock, clock, server_id) == passed
    assert slow_mock.list_actions(server_id)[0].finished


def test_a_confirmation_sets_no_task(slow_mock: MockProvider, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    _resize(slow_mock, server_id)
    clock.advance(AGES)
    slow_mock.confirm_resize(server_id, request_id=REQUEST_ID)
    clock.advance(0.6)
    server = slow_mock.get_server(server_id)
    assert (server.status, server.task_state) == ("VERIFY_RESIZE", None)
    for verb in (slow_mock.confirm_resize, slow_mock.revert_resize):
        with pytest.raises(InvalidRequest, match="has not been resized"):
            verb(server_id, request_id=REQUEST_ID)
    clock.advance(0.2)
    assert slow_mock.get_server(server_id).status == "ACTIVE"


def test_a_revert_shows_its_own_status(slow_mock: MockProvider, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    _resize(slow_mock, server_id)
    clock.advance(AGES)
    slow_mock.revert_resize(server_id, request_id=REQUEST_ID)
    assert watch(slow_mock, clock, server_id) == [
        ("REVERT_RESIZE", "resize_reverting"),
        ("ACTIVE", None),
    ]


def test_the_clock_alone_brings_a_server_into_changes_since(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    _stop(slow_mock, server_id)
    clock.advance(0.9)
    since = clock.now
    assert slow_mock.list_servers(changes_since=since) == []
    clock.advance(0.2)
    changed = slow_mock.list_servers(changes_since=since)
    assert [server.status for server in changed] == ["SHUTOFF"]


def test_a_deleted_server_lingers_as_deleted(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.delete_server(server_id, request_id=REQUEST_ID)
    again = slow_mock.delete_server(server_id, request_id=REQUEST_ID)
    assert again.request_id not in {
        action.request_id for action in slow_mock.list_actions(server_id)
    }
    assert slow_mock.get_server(server_id).task_state == "deleting"
    clock.advance(0.9)
    assert slow_mock.get_server(server_id).status == "DELETED"
    assert slow_mock.list_servers() == []
    slow_mock.delete_server(server_id, request_id=REQUEST_ID)
    clock.advance(0.3)
    with pytest.raises(NotFound):
        slow_mock.get_server(server_id)


def test_a_clock_behind_the_record_shows_its_beginning(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    _stop(slow_mock, server_id)
    clock.advance(-1)
    assert slow_mock.get_server(server_id).task_state == "powering-off"


def test_a_snapshot_is_queued_then_saving_then_active(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    image_id = _snapshot(slow_mock, server_id).created_id
    assert image_id is not None
    statuses = []
    for _ in range(30):
        (image,) = slow_mock.list_snapshot_images(tag="snap-1")
        assert (image.size_bytes is None) == (image.status != "active")
        if image.status not in statuses:
            statuses.append(image.status)
        clock.advance(0.1)
    assert statuses == ["queued", "saving", "active"]


def test_an_unfinished_snapshot_cannot_be_booted(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id, other_id = boot(slow_mock), boot(slow_mock, clock=clock)
    image_id = _snapshot(slow_mock, server_id).created_id
    assert image_id is not None
    assert image_id not in {image.id for image in slow_mock.list_images()}
    with pytest.raises(InvalidRequest, match="not active"):
        slow_mock.rebuild_server(other_id, image_id=image_id, request_id=REQUEST_ID)


def test_a_snapshot_ends_with_its_server(slow_mock: MockProvider, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    _snapshot(slow_mock, server_id)
    slow_mock.delete_server(server_id, request_id=REQUEST_ID)
    assert slow_mock.list_snapshot_images() == []


@pytest.mark.parametrize("act", [_stop, _snapshot, _shelve])
def test_a_task_holds_the_server(
    slow_mock: MockProvider, clock: Clock, act: Callable[[MockProvider, str], Receipt]
) -> None:
    server_id = boot(slow_mock, clock=clock)
    _snapshot(slow_mock, server_id)
    with pytest.raises(Conflict, match="in task_state image_snapshot") as caught:
        act(slow_mock, server_id)
    assert caught.value.request_id


def test_a_hard_reboot_passes_some_running_tasks(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.pause_server(server_id, request_id=REQUEST_ID)
    _hard_reboot(slow_mock, server_id)
    clock.advance(AGES)
    assert slow_mock.get_server(server_id).status == "ACTIVE"
    _stop(slow_mock, server_id)
    with pytest.raises(Conflict, match="task_state powering-off"):
        _hard_reboot(slow_mock, server_id)


def test_a_refusal_has_the_words_of_nova(mock: MockProvider) -> None:
    server_id = boot(mock)
    _stop(mock, server_id)
    with pytest.raises(Conflict) as caught:
        _stop(mock, server_id)
    assert caught.value.message == (
        f"Cannot 'stop' instance {server_id} while it is in vm_state stopped"
    )
    assert (caught.value.service, caught.value.status) == ("nova", 409)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_server_being_built_refuses_every_verb(
    slow_mock: MockProvider, clock: Clock, verb: Verb
) -> None:
    lab = Lab(slow_mock, clock.advance_until, None)
    server = slow_mock.get_server(boot(slow_mock))
    with pytest.raises(Conflict):
        verb.call(lab, server)
    with pytest.raises(Conflict, match="not ready"):
        slow_mock.get_console_log(server.id, lines=5)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_server_that_never_ran_refuses_every_verb(
    mock: MockProvider, clock: Clock, verb: Verb
) -> None:
    mock.inject("create_server", kind="build_error")
    server = mock.get_server(boot(mock))
    with pytest.raises(Conflict):
        verb.call(Lab(mock, clock.advance_until, None), server)
    mock.delete_server(server.id, request_id=REQUEST_ID)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_locked_server_refuses_all_but_snapshots(
    mock: MockProvider, clock: Clock, verb: Verb
) -> None:
    server_id = boot(mock)
    mock.lock(server_id)
    server = mock.get_server(server_id)
    assert server.locked
    lab = Lab(mock, clock.advance_until, None)
    if verb.name == "snapshot":
        assert verb.call(lab, server).created_id
    else:
        with pytest.raises(Conflict, match="is locked"):
            verb.call(lab, server)
    with pytest.raises(Conflict, match="is locked"):
        mock.delete_server(server_id, request_id=REQUEST_ID)
    mock.unlock(server_id)
    mock.delete_server(server_id, request_id=REQUEST_ID)


def test_another_projects_server_is_forbidden_and_unlisted(mock: MockProvider) -> None:
    (server_id,) = mock.seed(
        [SeedServer("alien", FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"], project="other")]
    )
    assert mock.list_servers() == []
    for read in (mock.get_server, mock.list_actions):
        with pytest.raises(Forbidden) as caught:
            read(server_id)
        assert caught.value.status == 403
    with pytest.raises(Forbidden):
        _stop(mock, server_id)


def test_the_quota_counts_living_servers(mock_path: Path) -> None:
    mock = MockProvider(path=str(mock_path), delay="0", quota="2")
    first, _ = boot(mock), boot(mock)
    with pytest.raises(QuotaExceeded) as caught:
        boot(mock)
    assert caught.value.status == 403
    assert caught.value.message == (
        "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances"
    )
    mock.delete_server(first, request_id=REQUEST_ID)
    boot(mock)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (spec(""), "name"),
        (spec("x" * 256), "name"),
        (spec(" web"), "name"),
        (spec(tag="a,b"), "tags"),
        (spec(tag="x" * 61), "tags"),
        (spec(metadata={"key": "x" * 256}), "metadata"),
        (spec(image="rocky-9"), "memory is too small"),
        (spec(user_data="secret" * 9000), "user_data"),
    ],
)
def test_an_impossible_create_is_invalid(
    mock: MockProvider, bad: ServerSpec, field: str
) -> None:
    with pytest.raises(InvalidRequest, match=field) as caught:
        mock.create_server(bad, request_id=REQUEST_ID)
    assert "secret" not in str(caught.value)
    assert mock.list_servers() == []


def test_an_image_may_need_a_larger_disk(mock: MockProvider) -> None:
    big = boot(mock, spec(flavor="m1.small"))
    image_id = _snapshot(mock, big).created_id
    assert image_id is not None
    with pytest.raises(InvalidRequest, match="Flavor's disk is smaller"):
        mock.create_server(
            replace(spec(), image_id=image_id, flavor_id=FLAVOR_ID["m1.tiny"]),
            request_id=REQUEST_ID,
        )


def test_a_public_image_is_not_ours_to_delete(mock: MockProvider) -> None:
    with pytest.raises(Forbidden) as caught:
        mock.delete_image(IMAGE_ID["cirros"], request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.status) == ("glance", 403)


def test_an_operators_error_can_be_left_by_a_reboot(mock: MockProvider) -> None:
    server_id = boot(mock)
    mock.poke(server_id, status="ERROR", fault="The host lost its disk.")
    fault = mock.get_server(server_id).fault
    assert fault is not None
    assert (fault.code, fault.message) == (500, "The host lost its disk.")
    _hard_reboot(mock, server_id)
    server = mock.get_server(server_id)
    assert (server.status, server.fault) == ("ACTIVE", None)


def test_the_console_has_the_last_lines(mock: MockProvider) -> None:
    server_id = boot(mock, spec("web-7"))
    assert mock.get_console_log(server_id, lines=1) == "web-7 login: "
    assert mock.get_console_log(server_id, lines=0) == ""
