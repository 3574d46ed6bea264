"""Images and flavors: what the mock offers, and what snapshots added."""

from providers.base import Flavor, Image, Receipt
from providers.errors import Forbidden, InvalidRequest, NotFound
from providers.mock.cloud import Cloud
from providers.mock.world import records


class Images(Cloud):
    """The catalogue and the images made by snapshots."""

    def list_flavors(self) -> list[Flavor]:
        """Return every flavor our user may boot."""
        with self._call("list_flavors"):
            return list(records.offered_flavors(self._store.connection()).values())

    def list_images(self) -> list[Image]:
        """Return every image our user may boot, snapshots included."""
        with self._call("list_images"):
            images = records.find_images(self._store.connection(), self._now())
            return [image for image in images if image.status == "active"]

    def list_snapshot_images(self, *, tag: str | None = None) -> list[Image]:
        """Return the images made by `snapshot_server`, unfinished ones included."""
        with self._call("list_snapshot_images", subject=tag or ""):
            db = self._store.connection()
            if tag is None:
                return records.find_images(db, self._now(), "server_id IS NOT NULL")
            return records.find_images(db, self._now(), "tag = ?", tag)

    def delete_image(self, image_id: str, *, request_id: str) -> Receipt:
        """Delete an image of ours."""
        with self._call("delete_image", image_id=image_id) as call:
            with self._store.transaction() as db:
                now = self._now()
                found = records.find_images(db, now, "id = ?", image_id)
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

    def _bootable_image(self, image_id: str, missing: str) -> Image:
        found = records.find_images(
            self._store.connection(), self._now(), "id = ?", image_id
        )
        if not found:
            raise InvalidRequest(missing, status=400)
        if found[0].status != "active":
            raise InvalidRequest(f"Image {image_id} is not active.", status=400)
        return found[0]
