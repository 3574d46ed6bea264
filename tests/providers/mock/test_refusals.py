"""What the mock refuses, and in which words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from providers.contract.calls import Receipt
from providers.contract.servers import ServerSpec, ServerVerb
from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExceeded,
)
from providers.mock import MockCloud, SeedServer
from providers.mock.world import guards, interfaces, lifecycle
from tests.support.clock import Clock
from tests.support.contract_cloud import Lab
from tests.support.mock_servers import (
    AGES,
    FLAVOR_ID,
    IMAGE_ID,
    REQUEST_ID,
    boot,
    hard_reboot,
    shelve,
    snapshot,
    spec,
    stop,
)
from tests.support.provider_verbs import NOVA_GUARDS, VERBS, Verb

#: The name of the function it guards in Nova -> the guard.
GUARDS: dict[str, guards.Guard] = {
    **{verb: change.guard for verb, change in lifecycle.VERBS.items()},
    "delete": guards.DELETE,
    "_soft_reboot": guards.SOFT_REBOOT,
    "_hard_reboot": guards.HARD_REBOOT,
    "rebuild": guards.REBUILD,
    "resize": guards.RESIZE,
    "snapshot": guards.SNAPSHOT,
    "attach_interface": interfaces.GUARD,
    "detach_interface": interfaces.GUARD,
}


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


def test_every_verb_of_the_contract_is_tried() -> None:
    assert set(get_args(ServerVerb)) == set(lifecycle.VERBS)
    assert set(lifecycle.VERBS) < {verb.name for verb in VERBS}


@pytest.mark.parametrize("act", [stop, snapshot, shelve])
def test_a_task_holds_the_server(
    slow_mock: MockCloud, clock: Clock, act: Callable[[MockCloud, str], Receipt]
) -> None:
    server_id = boot(slow_mock, clock=clock)
    snapshot(slow_mock, server_id)
    with pytest.raises(Conflict, match="in task_state image_snapshot") as caught:
        act(slow_mock, server_id)
    assert caught.value.request_id


def test_a_hard_reboot_passes_some_running_tasks(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.servers.act(server_id, "pause", request_id=REQUEST_ID)
    hard_reboot(slow_mock, server_id)
    clock.advance(AGES)
    assert slow_mock.servers.get(server_id).status == "ACTIVE"
    stop(slow_mock, server_id)
    with pytest.raises(Conflict, match="task_state powering-off"):
        hard_reboot(slow_mock, server_id)


def test_a_refusal_has_the_words_of_nova(mock: MockCloud) -> None:
    server_id = boot(mock)
    stop(mock, server_id)
    with pytest.raises(Conflict) as caught:
        stop(mock, server_id)
    assert caught.value.message == (
        f"Cannot 'stop' instance {server_id} while it is in vm_state stopped"
    )
    assert (caught.value.service, caught.value.status) == ("nova", 409)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_server_being_built_refuses_every_verb(
    slow_mock: MockCloud, clock: Clock, verb: Verb
) -> None:
    lab = Lab(slow_mock, clock.advance_until, None)
    server = slow_mock.servers.get(boot(slow_mock))
    with pytest.raises(Conflict):
        verb.call(lab, server)
    with pytest.raises(Conflict, match="not ready"):
        slow_mock.servers.get_console_log(server.id, lines=5)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_server_that_never_ran_refuses_every_verb(
    mock: MockCloud, clock: Clock, verb: Verb
) -> None:
    mock.controls.inject("servers.create", kind="build_error")
    server = mock.servers.get(boot(mock))
    with pytest.raises(Conflict):
        verb.call(Lab(mock, clock.advance_until, None), server)
    mock.servers.delete(server.id, request_id=REQUEST_ID)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_locked_server_refuses_all_but_snapshots(
    mock: MockCloud, clock: Clock, verb: Verb
) -> None:
    server_id = boot(mock)
    mock.controls.lock(server_id)
    server = mock.servers.get(server_id)
    assert server.locked
    lab = Lab(mock, clock.advance_until, None)
    if verb.name == "snapshot":
        assert verb.call(lab, server).created_id
    else:
        with pytest.raises(Conflict, match="is locked"):
            verb.call(lab, server)
    with pytest.raises(Conflict, match="is locked"):
        mock.servers.delete(server_id, request_id=REQUEST_ID)
    mock.controls.unlock(server_id)
    mock.servers.delete(server_id, request_id=REQUEST_ID)


@pytest.mark.parametrize(
    ("status", "error", "code"), [("BUILD", Forbidden, 403), ("ACTIVE", NotFound, 404)]
)
def test_another_projects_server_is_refused_and_unlisted(
    mock: MockCloud, status: str, error: type[ProviderError], code: int
) -> None:
    alien = SeedServer(
        "alien",
        FLAVOR_ID["m1.tiny"],
        IMAGE_ID["cirros"],
        status=status,
        project="other",
    )
    (server_id,) = mock.controls.seed([alien])
    assert mock.servers.list_all() == []
    for read in (mock.servers.get, mock.servers.list_actions):
        with pytest.raises(error) as caught:
            read(server_id)
        assert caught.value.status == code
    with pytest.raises(error):
        stop(mock, server_id)


def test_the_quota_counts_living_servers(mock_path: Path) -> None:
    mock = MockCloud(path=str(mock_path), delay="0", quota="2")
    first, _ = boot(mock), boot(mock)
    with pytest.raises(QuotaExceeded) as caught:
        boot(mock)
    assert caught.value.status == 403
    assert caught.value.message == (
        "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances"
    )
    mock.servers.delete(first, request_id=REQUEST_ID)
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
        (spec(user_data=b"secret" * 9000), "user_data"),
    ],
)
def test_an_impossible_create_is_invalid(
    mock: MockCloud, bad: ServerSpec, field: str
) -> None:
    with pytest.raises(InvalidRequest, match=field) as caught:
        mock.servers.create(bad, request_id=REQUEST_ID)
    assert "secret" not in str(caught.value)
    assert mock.servers.list_all() == []


def test_an_image_may_need_a_larger_disk(mock: MockCloud) -> None:
    big = boot(mock, spec(flavor="m1.small"))
    image_id = snapshot(mock, big).created_id
    assert image_id is not None
    with pytest.raises(InvalidRequest, match="Flavor's disk is smaller"):
        mock.servers.create(
            replace(spec(), image_id=image_id, flavor_id=FLAVOR_ID["m1.tiny"]),
            request_id=REQUEST_ID,
        )


def test_a_public_image_is_not_ours_to_delete(mock: MockCloud) -> None:
    with pytest.raises(Forbidden) as caught:
        mock.images.delete(IMAGE_ID["cirros"], request_id=REQUEST_ID)
    assert (caught.value.service, caught.value.status) == ("glance", 403)
