"""The images of the mock cloud, those included that snapshots made."""

from providers.contract.calls import Receipt
from providers.contract.images import Image, Images
from providers.errors import Forbidden, NotFound
from providers.mock.world import catalog
from providers.mock.world.world import World


class MockImages(Images):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Image]:
        with self._world.call("images.list_all"):
            images = catalog.find_images(
                self._world.store.connection(), self._world.now()
            )
            return [image for image in images if image.status == "active"]

    def list_snapshots(self, *, tag: str | None = None) -> list[Image]:
        with self._world.call("images.list_snapshots", subject=tag or ""):
            db, now = self._world.store.connection(), self._world.now()
            if tag is None:
                return catalog.find_images(db, now, "server_id IS NOT NULL")
            return catalog.find_images(db, now, "tag = ?", tag)

    def delete(self, image_id: str, *, request_id: str) -> Receipt:
        with self._world.call("images.delete", image_id=image_id) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                found = catalog.find_images(db, now, "id = ?", image_id)
                if not found:
                    raise NotFound(
                        f"Failed to find image {image_id} to delete",
                        service="glance",
                        status=404,
                    )
                if found[0].visibility == "public":
                    raise Forbidden(
                        "You are not permitted to delete this image.",
                        service="glance",
                        status=403,
                    )
                db.execute(
                    "UPDATE images SET gone_at = ? WHERE id = ?", (now, image_id)
                )
            return Receipt(request_id=call.request_id)
