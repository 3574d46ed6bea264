"""Short ways to a server of the mock, and to what is done to it."""

from collections.abc import Mapping, Sequence

from providers.contract.calls import Receipt
from providers.contract.servers import ServerAction, ServerSpec
from providers.mock import MockCloud
from providers.mock.world.seed import FLAVORS, IMAGES
from tests.support.clock import Clock

FLAVOR_ID = {flavor.name: flavor.id for flavor in FLAVORS}
IMAGE_ID = {image.name: image.id for image in IMAGES}
#: Longer than any action of the mock.
AGES = 60.0
REQUEST_ID = "req-0f9d1c52-6a3e-4a53-8a3c-5b1f0e6d7c21"


def spec(
    name: str = "web",
    *,
    flavor: str = "m1.tiny",
    image: str = "cirros",
    tag: str = "vm-1",
    user_data: bytes = b"",
    metadata: Mapping[str, str] | None = None,
    key_name: str | None = None,
    port_ids: Sequence[str] = (),
) -> ServerSpec:
    return ServerSpec(
        name=name,
        flavor_id=FLAVOR_ID[flavor],
        image_id=IMAGE_ID[image],
        tag=tag,
        port_ids=port_ids,
        metadata=metadata or {},
        key_name=key_name,
        user_data=user_data,
    )


def boot(
    mock: MockCloud, server: ServerSpec | None = None, *, clock: Clock | None = None
) -> str:
    """Create a server, let the clock pass until it rests, and return its id."""
    receipt = mock.servers.create(server or spec(), request_id=REQUEST_ID)
    assert receipt.created_id is not None
    if clock is not None:
        clock.advance(AGES)
    return receipt.created_id


def stop(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.act(server_id, "stop", request_id=REQUEST_ID)


def reboot(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.reboot(server_id, hard=False, request_id=REQUEST_ID)


def hard_reboot(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.reboot(server_id, hard=True, request_id=REQUEST_ID)


def shelve(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.act(server_id, "shelve", request_id=REQUEST_ID)


def resize(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.resize(
        server_id, flavor_id=FLAVOR_ID["m1.small"], request_id=REQUEST_ID
    )


def rebuild(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.rebuild(
        server_id, image_id=IMAGE_ID["debian-12"], request_id=REQUEST_ID
    )


def snapshot(mock: MockCloud, server_id: str) -> Receipt:
    return mock.servers.snapshot(
        server_id, name="nightly", tag="snap-1", request_id=REQUEST_ID
    )


def newest_action(mock: MockCloud, server_id: str) -> ServerAction:
    """Return the whole record of what was last done to a server."""
    return mock.servers.get_action(
        server_id, mock.servers.list_actions(server_id)[0].request_id
    )
