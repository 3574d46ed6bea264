"""Flavors and images."""

from datetime import datetime
from typing import Any

from compute.bodies.body import ID, NUMBER, TEXT, TIME, Body, Field
from compute.bodies.examples import AT, FLAVOR_ID, IMAGE_ID
from compute.bodies.reader import Reader

DEPRECATION_BODY = Body("Deprecation", "", Field("unavailable_after", TIME, AT))


def _deprecation(reader: Reader, vanished_at: datetime | None) -> dict[str, Any] | None:
    return None if vanished_at is None else {"unavailable_after": vanished_at}


def _upper(reader: Reader, word: str) -> str:
    return word.upper()


def _of_catalog(id: str, name: str, provider_id: str) -> tuple[Field, ...]:
    return (
        Field("id", ID, id),
        Field("name", TEXT, name),
        Field("cloud", TEXT, "default"),
        Field("provider_id", TEXT, provider_id, about="The cloud's own id."),
        Field(
            "deprecation",
            DEPRECATION_BODY,
            None,
            at="vanished_at",
            made=_deprecation,
            null=True,
            about="Since when the cloud no longer offers it, or null.",
        ),
        Field("created_at", TIME, AT),
        Field("updated_at", TIME, AT),
    )


FLAVOR_BODY = Body(
    "Flavor",
    "A size of VM.",
    *_of_catalog(FLAVOR_ID, "m1.small", "2"),
    Field("vcpus", NUMBER, 1),
    Field("ram_mb", NUMBER, 2048),
    Field("disk_gb", NUMBER, 20),
)

IMAGE_BODY = Body(
    "Image",
    "What a VM can be made from.",
    *_of_catalog(IMAGE_ID, "ubuntu-22.04", "70b4069c-32b4-4162-9e7a-2489f2a36356"),
    Field("status", TEXT, "ACTIVE", made=_upper, about="Glance's word, in capitals."),
    Field(
        "visibility", TEXT, "PUBLIC", made=_upper, about="Glance's word, in capitals."
    ),
    Field("size_bytes", NUMBER, 2361393152, null=True),
    Field("min_disk_gb", NUMBER, 5),
    Field("min_ram_mb", NUMBER, 512),
    Field(
        "project",
        ID,
        None,
        at="project_id",
        null=True,
        about="The owner of a snapshot's image.",
    ),
)
