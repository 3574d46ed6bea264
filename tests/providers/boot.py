"""Short ways to a server of the mock."""

from collections.abc import Mapping

from providers.base import ServerSpec
from providers.mock import MockProvider
from providers.mock.catalog import FLAVORS, IMAGES
from tests.providers.clock import Clock

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
    user_data: str = "",
    metadata: Mapping[str, str] | None = None,
) -> ServerSpec:
    return ServerSpec(
        name=name,
        flavor_id=FLAVOR_ID[flavor],
        image_id=IMAGE_ID[image],
        tag=tag,
        metadata=metadata or {},
        user_data=user_data,
    )


def boot(
    mock: MockProvider, server: ServerSpec | None = None, *, clock: Clock | None = None
) -> str:
    """Create a server, let the clock pass until it rests, and return its id."""
    receipt = mock.create_server(server or spec(), request_id=REQUEST_ID)
    assert receipt.created_id is not None
    if clock is not None:
        clock.advance(AGES)
    return receipt.created_id
