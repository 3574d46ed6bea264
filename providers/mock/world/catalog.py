"""Flavors and images as rows of the mock's file, and the queries for them."""

import sqlite3

from providers.contract.flavors import Flavor
from providers.contract.images import Image
from providers.errors import InvalidRequest


def all_flavors(db: sqlite3.Connection) -> dict[str, Flavor]:
    """Return every flavor by id, also those no longer offered."""
    rows = db.execute("SELECT id, name, vcpus, ram_mb, disk_gb FROM flavors")
    return {row["id"]: Flavor(**dict(row)) for row in rows}


def offered_flavors(db: sqlite3.Connection) -> dict[str, Flavor]:
    """Return the flavors that can be booted, by id."""
    rows = db.execute(
        "SELECT id, name, vcpus, ram_mb, disk_gb FROM flavors WHERE offered ORDER BY id"
    )
    return {row["id"]: Flavor(**dict(row)) for row in rows}


def find_images(
    db: sqlite3.Connection, now: int, where: str = "1", *values: object
) -> list[Image]:
    """Return the images that exist at ``now``; ``where`` is SQL of our own."""
    select = f"SELECT * FROM images WHERE {where}"  # noqa: S608  # callers pass constants
    rows = db.execute(
        f"{select} AND (gone_at IS NULL OR gone_at > ?) ORDER BY number DESC",
        (*values, now),
    )
    return [_to_image(row, now) for row in rows]


def _to_image(row: sqlite3.Row, now: int) -> Image:
    def begun(column: str) -> bool:
        return row[column] is not None and row[column] <= now

    active = begun("active_at")
    return Image(
        id=row["id"],
        name=row["name"],
        status="active" if active else "saving" if begun("saving_at") else "queued",
        visibility=row["visibility"],
        size_bytes=row["size_bytes"] if active else None,
        min_disk_gb=row["min_disk_gb"],
        min_ram_mb=row["min_ram_mb"],
        server_id=row["server_id"],
        tag=row["tag"],
    )


def add_image(
    db: sqlite3.Connection,
    image: Image,
    *,
    saving_at: int | None,
    active_at: int | None,
    gone_at: int | None,
) -> None:
    """Insert an image whose status follows the clock."""
    db.execute(
        "INSERT INTO images (id, name, visibility, size_bytes, min_disk_gb,"
        " min_ram_mb, server_id, tag, saving_at, active_at, gone_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            image.id,
            image.name,
            image.visibility,
            image.size_bytes or 0,
            image.min_disk_gb,
            image.min_ram_mb,
            image.server_id,
            image.tag,
            saving_at,
            active_at,
            gone_at,
        ),
    )


def drop_unfinished_images(db: sqlite3.Connection, server_id: str, now: int) -> None:
    """Remove the snapshots that a server did not finish before its delete."""
    db.execute(
        "UPDATE images SET gone_at = ? WHERE server_id = ?"
        " AND (active_at IS NULL OR active_at > ?)",
        (now, server_id, now),
    )


def bootable_image(
    db: sqlite3.Connection, image_id: str, *, now: int, missing: str
) -> Image:
    """Return an image to boot from; `InvalidRequest`, if ``missing`` with those words."""
    found = find_images(db, now, "id = ?", image_id)
    if not found:
        raise InvalidRequest(missing, status=400)
    if found[0].status != "active":
        raise InvalidRequest(f"Image {image_id} is not active.", status=400)
    return found[0]
