"""Demo data, counts and the hands of an operator."""

import uuid
from datetime import UTC, datetime

import pytest

from providers.base import Flavor, Image
from providers.errors import Conflict, InvalidRequest, NotFound
from providers.mock import MockProvider, SeedServer
from tests.support.clock import Clock
from tests.support.mock_servers import AGES, FLAVOR_ID, IMAGE_ID, REQUEST_ID, boot, spec

STATUSES = (
    "ACTIVE",
    "SHUTOFF",
    "PAUSED",
    "SUSPENDED",
    "RESCUE",
    "SHELVED_OFFLOADED",
    "VERIFY_RESIZE",
    "ERROR",
)


def seeds(count: int) -> list[SeedServer]:
    return [
        SeedServer(
            name=f"demo-{number}",
            flavor_id=FLAVOR_ID["m1.small"],
            image_id=IMAGE_ID["debian-12"],
            status=STATUSES[number % len(STATUSES)],
            tags=frozenset({f"vm-{number}"}),
        )
        for number in range(count)
    ]


def test_seeded_servers_are_like_any_other(mock: MockProvider) -> None:
    ids = mock.seed(seeds(8))
    servers = {server.id: server for server in mock.list_servers()}
    assert [servers[server_id].status for server_id in ids] == list(STATUSES)
    assert len({server.addresses for server in servers.values()}) == 8
    assert [server.id for server in mock.find_servers(tag="vm-3")] == [ids[3]]
    assert mock.list_actions(ids[0]) == []
    mock.stop_server(ids[0], request_id=REQUEST_ID)
    mock.start_server(ids[1], request_id=REQUEST_ID)
    mock.unshelve_server(ids[5], request_id=REQUEST_ID)
    mock.confirm_resize(ids[6], request_id=REQUEST_ID)
    mock.reboot_server(ids[7], hard=True, request_id=REQUEST_ID)


def test_a_seeded_server_keeps_its_id_and_age(mock: MockProvider) -> None:
    server_id, born = str(uuid.uuid4()), datetime(2024, 5, 1, tzinfo=UTC)
    assert mock.seed(
        [
            SeedServer(
                name="old",
                flavor_id=FLAVOR_ID["m1.tiny"],
                image_id=IMAGE_ID["cirros"],
                status="ERROR",
                created_at=born,
                fault="Lost.",
                id=server_id,
            )
        ]
    ) == [server_id]
    server = mock.get_server(server_id)
    assert server.created_at == server.updated_at == born
    assert server.fault is not None


@pytest.mark.parametrize("status", ["ERROR", "ACTIVE"])
def test_a_seeded_server_may_have_failed_to_build(
    mock: MockProvider, status: str
) -> None:
    flavor_id, image_id = FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"]
    new = SeedServer("new", flavor_id, image_id, status=status, launched=False)
    server = mock.get_server(mock.seed([new])[0])
    assert (server.launched_at, server.addresses) == (None, ())
    with pytest.raises(Conflict):
        mock.reboot_server(server.id, hard=True, request_id=REQUEST_ID)


def test_an_unknown_status_is_refused(mock: MockProvider) -> None:
    bad = SeedServer("x", FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"], status="NAPPING")
    with pytest.raises(KeyError, match="NAPPING"):
        mock.seed([bad])
    with pytest.raises(KeyError, match="NAPPING"):
        mock.poke(boot(mock), status="NAPPING")


def test_an_operator_changes_a_server_behind_our_back(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    clock.advance(AGES)
    slow_mock.poke(
        server_id, status="SHUTOFF", flavor_id=FLAVOR_ID["m1.large"], name="renamed"
    )
    (server,) = slow_mock.list_servers(changes_since=since)
    assert (server.status, server.flavor_name, server.name) == (
        "SHUTOFF",
        "m1.large",
        "renamed",
    )
    slow_mock.poke(server_id, task_state="migrating")
    assert slow_mock.get_server(server_id).task_state == "migrating"


def test_a_poke_drops_what_the_server_was_doing(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.stop_server(server_id, request_id=REQUEST_ID)
    slow_mock.poke(server_id)
    clock.advance(AGES)
    assert slow_mock.get_server(server_id).status == "ACTIVE"


def test_a_server_deleted_outside_is_reported_as_deleted(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    slow_mock.poke(server_id, status="DELETED")
    assert slow_mock.list_servers() == []
    changed = slow_mock.list_servers(changes_since=since)
    assert [(s.id, s.status) for s in changed] == [(server_id, "DELETED")]


def test_a_vanished_server_leaves_no_trace(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    slow_mock.vanish(server_id)
    assert slow_mock.list_servers(changes_since=since) == []
    assert slow_mock.find_servers(tag="vm-1") == []
    with pytest.raises(NotFound):
        slow_mock.list_actions(server_id)
    with pytest.raises(NotFound):
        slow_mock.vanish(server_id)


def test_a_lock_is_a_change_and_stops_nothing(
    slow_mock: MockProvider, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.stop_server(server_id, request_id=REQUEST_ID)
    clock.advance(0.5)
    slow_mock.lock(server_id)
    (server,) = slow_mock.list_servers(changes_since=clock.now)
    assert server.locked
    clock.advance(AGES)
    assert slow_mock.get_server(server_id).status == "SHUTOFF"


def test_calls_are_counted_by_name(mock: MockProvider) -> None:
    server_id = boot(mock)
    mock.get_server(server_id)
    mock.get_server(server_id)
    assert mock.call_counts() == {"create_server": 1, "get_server": 2}
    mock.reset_counts()
    assert mock.call_counts() == {}


def test_the_cloud_keeps_the_user_data_and_our_request_id(mock: MockProvider) -> None:
    server_id = boot(mock, spec(user_data=b"#cloud-config"))
    assert mock.user_data(server_id) == b"#cloud-config"
    assert mock.logged_actions(REQUEST_ID) == ["create"]


def test_flavors_come_and_go(mock: MockProvider) -> None:
    server_id = boot(mock)
    mock.put_flavor(Flavor(id="9", name="gpu", vcpus=8, ram_mb=65536, disk_gb=200))
    mock.remove_flavor(FLAVOR_ID["m1.tiny"])
    names = {flavor.name for flavor in mock.list_flavors()}
    assert "gpu" in names
    assert "m1.tiny" not in names
    assert mock.get_server(server_id).flavor_name == "m1.tiny"
    with pytest.raises(InvalidRequest):
        boot(mock)
    mock.put_flavor(Flavor(id="1", name="m1.nano", vcpus=1, ram_mb=512, disk_gb=5))
    assert mock.get_server(boot(mock)).flavor_name == "m1.nano"


def test_images_come_and_go(mock: MockProvider) -> None:
    fedora = Image(
        id=str(uuid.uuid4()),
        name="fedora-43",
        status="active",
        visibility="public",
        size_bytes=1,
    )
    mock.put_image(fedora)
    mock.put_image(fedora)
    assert mock.list_images().count(fedora) == 1
    mock.remove_image(IMAGE_ID["cirros"])
    assert "cirros" not in {image.name for image in mock.list_images()}
    with pytest.raises(InvalidRequest, match="image"):
        boot(mock)
