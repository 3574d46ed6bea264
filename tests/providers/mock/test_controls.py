"""Demo data, counts and the hands of an operator."""

import uuid
from datetime import UTC, datetime

import pytest

from providers.contract.flavors import Flavor
from providers.contract.images import Image
from providers.errors import Conflict, InvalidRequest, NotFound
from providers.mock import MockCloud, SeedServer
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


def test_seeded_servers_are_like_any_other(mock: MockCloud) -> None:
    ids = mock.controls.seed(seeds(8))
    servers = {server.id: server for server in mock.servers.list_all()}
    assert [servers[server_id].status for server_id in ids] == list(STATUSES)
    assert len({server.addresses for server in servers.values()}) == 8
    assert [server.id for server in mock.servers.find(tag="vm-3")] == [ids[3]]
    assert mock.servers.list_actions(ids[0]) == []
    mock.servers.act(ids[0], "stop", request_id=REQUEST_ID)
    mock.servers.act(ids[1], "start", request_id=REQUEST_ID)
    mock.servers.act(ids[5], "unshelve", request_id=REQUEST_ID)
    mock.servers.act(ids[6], "confirm_resize", request_id=REQUEST_ID)
    mock.servers.reboot(ids[7], hard=True, request_id=REQUEST_ID)


def test_a_seeded_server_keeps_its_id_and_age(mock: MockCloud) -> None:
    server_id, born = str(uuid.uuid4()), datetime(2024, 5, 1, tzinfo=UTC)
    assert mock.controls.seed(
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
    server = mock.servers.get(server_id)
    assert server.created_at == server.updated_at == born
    assert server.fault is not None


@pytest.mark.parametrize("status", ["ERROR", "ACTIVE"])
def test_a_seeded_server_may_have_failed_to_build(mock: MockCloud, status: str) -> None:
    flavor_id, image_id = FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"]
    new = SeedServer("new", flavor_id, image_id, status=status, launched=False)
    server = mock.servers.get(mock.controls.seed([new])[0])
    assert (server.launched_at, server.addresses) == (None, ())
    with pytest.raises(Conflict):
        mock.servers.reboot(server.id, hard=True, request_id=REQUEST_ID)


def test_an_unknown_status_is_refused(mock: MockCloud) -> None:
    bad = SeedServer("x", FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"], status="NAPPING")
    with pytest.raises(KeyError, match="NAPPING"):
        mock.controls.seed([bad])
    with pytest.raises(KeyError, match="NAPPING"):
        mock.controls.poke(boot(mock), status="NAPPING")


def test_an_operator_changes_a_server_behind_our_back(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    clock.advance(AGES)
    slow_mock.controls.poke(
        server_id, status="SHUTOFF", flavor_id=FLAVOR_ID["m1.large"], name="renamed"
    )
    (server,) = slow_mock.servers.list_all(changes_since=since)
    assert (server.status, server.flavor_name, server.name) == (
        "SHUTOFF",
        "m1.large",
        "renamed",
    )
    slow_mock.controls.poke(server_id, task_state="migrating")
    assert slow_mock.servers.get(server_id).task_state == "migrating"


def test_a_poke_drops_what_the_server_was_doing(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.servers.act(server_id, "stop", request_id=REQUEST_ID)
    slow_mock.controls.poke(server_id)
    clock.advance(AGES)
    assert slow_mock.servers.get(server_id).status == "ACTIVE"


def test_a_server_deleted_outside_is_reported_as_deleted(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    slow_mock.controls.poke(server_id, status="DELETED")
    assert slow_mock.servers.list_all() == []
    changed = slow_mock.servers.list_all(changes_since=since)
    assert [(s.id, s.status) for s in changed] == [(server_id, "DELETED")]


def test_a_vanished_server_leaves_no_trace(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)
    since = clock.now
    slow_mock.controls.vanish(server_id)
    assert slow_mock.servers.list_all(changes_since=since) == []
    assert slow_mock.servers.find(tag="vm-1") == []
    with pytest.raises(NotFound):
        slow_mock.servers.list_actions(server_id)
    with pytest.raises(NotFound):
        slow_mock.controls.vanish(server_id)


def test_a_lock_is_a_change_and_stops_nothing(
    slow_mock: MockCloud, clock: Clock
) -> None:
    server_id = boot(slow_mock, clock=clock)
    slow_mock.servers.act(server_id, "stop", request_id=REQUEST_ID)
    clock.advance(0.5)
    slow_mock.controls.lock(server_id)
    (server,) = slow_mock.servers.list_all(changes_since=clock.now)
    assert server.locked
    clock.advance(AGES)
    assert slow_mock.servers.get(server_id).status == "SHUTOFF"


def test_calls_are_counted_by_name(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.servers.get(server_id)
    mock.servers.get(server_id)
    assert mock.controls.call_counts() == {"servers.create": 1, "servers.get": 2}
    mock.controls.reset_counts()
    assert mock.controls.call_counts() == {}


def test_the_cloud_keeps_the_user_data_and_our_request_id(mock: MockCloud) -> None:
    server_id = boot(mock, spec(user_data=b"#cloud-config"))
    assert mock.controls.user_data(server_id) == b"#cloud-config"
    assert mock.controls.logged_actions(REQUEST_ID) == ["create"]


def test_flavors_come_and_go(mock: MockCloud) -> None:
    server_id = boot(mock)
    mock.controls.put_flavor(
        Flavor(id="9", name="gpu", vcpus=8, ram_mb=65536, disk_gb=200)
    )
    mock.controls.remove_flavor(FLAVOR_ID["m1.tiny"])
    names = {flavor.name for flavor in mock.flavors.list_all()}
    assert "gpu" in names
    assert "m1.tiny" not in names
    assert mock.servers.get(server_id).flavor_name == "m1.tiny"
    with pytest.raises(InvalidRequest):
        boot(mock)
    mock.controls.put_flavor(
        Flavor(id="1", name="m1.nano", vcpus=1, ram_mb=512, disk_gb=5)
    )
    assert mock.servers.get(boot(mock)).flavor_name == "m1.nano"


def test_images_come_and_go(mock: MockCloud) -> None:
    fedora = Image(
        id=str(uuid.uuid4()),
        name="fedora-43",
        status="active",
        visibility="public",
        size_bytes=1,
    )
    mock.controls.put_image(fedora)
    mock.controls.put_image(fedora)
    assert mock.images.list_all().count(fedora) == 1
    mock.controls.remove_image(IMAGE_ID["cirros"])
    assert "cirros" not in {image.name for image in mock.images.list_all()}
    with pytest.raises(InvalidRequest, match="image"):
        boot(mock)
