"""What every driver owes of images."""

import pytest

from providers.contract.cloud import Cloud
from providers.errors import NotFound
from tests.support.contract_cloud import (
    IMAGE,
    OTHER_IMAGE,
    Lab,
    new_request_id,
    new_tag,
)


class ImageContract:
    def test_the_images_can_be_booted(self, cloud: Cloud) -> None:
        images = {image.name: image for image in cloud.images.list_all()}
        assert {IMAGE, OTHER_IMAGE, "ubuntu-22.04"} <= set(images)
        assert {image.status for image in images.values()} == {"active"}
        assert all(image.size_bytes for image in images.values())
        assert images[IMAGE].server_id is None
        assert images[IMAGE].tag is None

    def test_a_snapshot_is_seen_at_once_and_becomes_active(self, lab: Lab) -> None:
        server, tag = lab.server_in("ACTIVE"), new_tag()
        receipt = lab.snapshot(server, tag=tag)
        assert [i.id for i in lab.cloud.images.list_snapshots(tag=tag)] == [
            receipt.created_id
        ]
        image = lab.settle_image(tag)
        assert image.name == "contract-snapshot"
        assert image.server_id == server.id
        assert image.tag == tag
        assert image.size_bytes is not None
        assert image in lab.cloud.images.list_all()
        assert image in lab.cloud.images.list_snapshots()
        lab.settle(server.id, "ACTIVE")
        lab.put_back(server.id)

    def test_a_deleted_image_is_gone(self, lab: Lab) -> None:
        server, tag = lab.server_in("SHUTOFF"), new_tag()
        lab.snapshot(server, tag=tag)
        image = lab.settle_image(tag)
        lab.settle(server.id, "SHUTOFF")
        lab.put_back(server.id)
        lab.cloud.images.delete(image.id, request_id=new_request_id())
        assert lab.cloud.images.list_snapshots(tag=tag) == []
        with pytest.raises(NotFound):
            lab.cloud.images.delete(image.id, request_id=new_request_id())

    def test_a_snapshot_outlives_its_server(self, lab: Lab) -> None:
        server, tag = lab.create(), new_tag()
        lab.snapshot(server, tag=tag)
        image = lab.settle_image(tag)
        lab.settle(server.id, "ACTIVE")
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)
        assert lab.cloud.images.list_snapshots(tag=tag) == [image]
