"""The images of Glance."""

from providers.contract.calls import Receipt
from providers.contract.images import Image, Images
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Transport

#: Properties of an image, Nova's own and ours.
INSTANCE_UUID = "instance_uuid"
TAG = "vmmanager_tag"
#: Formats of an image that cannot be booted: kernels and ramdisks for others.
_PARTS_OF_IMAGES = frozenset({"aki", "ari"})


class OpenStackImages(Images):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list_all(self) -> list[Image]:
        return self._list(status="active")

    def list_snapshots(self, *, tag: str | None = None) -> list[Image]:
        # An operator's credentials would list those of every project.
        ours = self._transport.project_id
        if tag is not None:
            return self._list(owner=ours, **{TAG: tag})
        made = self._list(owner=ours, image_type="snapshot")
        return [image for image in made if image.tag]

    def _list(self, **filters: str) -> list[Image]:
        with reading("glance"):
            found = self._transport.read_all(
                "glance", "/images", "images", params=filters
            )
            return [
                _to_image(body)
                for body in found
                if body.get("disk_format") not in _PARTS_OF_IMAGES
            ]

    def delete(self, image_id: str, *, request_id: str) -> Receipt:
        answer = self._transport.request(
            "glance", "DELETE", f"/images/{image_id}", request_id=request_id
        )
        return Receipt(request_id_of(answer))


def _to_image(body: Json) -> Image:
    return Image(
        id=body["id"],
        name=body["name"] or body["id"],  # Glance wants no name
        status=body["status"],
        visibility=body["visibility"],
        size_bytes=body["size"] if body["status"] == "active" else None,
        min_disk_gb=body["min_disk"],
        min_ram_mb=body["min_ram"],
        server_id=body.get(INSTANCE_UUID),
        tag=body.get(TAG),
    )
