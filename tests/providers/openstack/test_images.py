"""The images of OpenStack against a stage."""

from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import (
    IMAGES,
    Line,
    Stage,
)


def test_images_are_paged_and_those_that_do_not_boot_left_out(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    image = {
        "id": "i",
        "name": None,
        "status": "active",
        "visibility": "public",
        "size": 7,
        "min_disk": 1,
        "min_ram": 0,
    }
    first = {"images": [image], "next": "/v2/images?marker=i"}
    stage.speak(
        "GET",
        IMAGES,
        Line(body=first),
        Line(body={"images": [{**image, "id": "k", "disk_format": "aki"}]}),
    )
    (found,) = cloud.images.list_all()
    assert (found.id, found.name, found.size_bytes) == ("i", "i", 7)
    assert stage.sent("GET", IMAGES)[1].query == {"marker": ["i"]}


def test_snapshots_are_those_of_our_project(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("GET", IMAGES, Line(body={"images": []}))
    cloud.images.list_snapshots()
    cloud.images.list_snapshots(tag="s-1")
    all_of_them, one = stage.sent("GET", IMAGES)
    assert all_of_them.query == {"image_type": ["snapshot"], "owner": ["ours"]}
    assert one.query == {"vmmanager_tag": ["s-1"], "owner": ["ours"]}
