import pytest
from django.utils import timezone

from tests.support.api import Api, problem
from tests.support.factories import FlavorFactory, ImageFactory


@pytest.mark.usefixtures("catalogue")
def test_the_flavors_of_the_proof_of_concept_are_there(api: Api) -> None:
    rows = api.get("/flavors?ordering=vcpus,ram_mb").json()["results"]
    assert [
        (row["name"], row["vcpus"], row["ram_mb"], row["disk_gb"]) for row in rows
    ] == [
        ("m1.tiny", 1, 512, 5),
        ("m1.small", 1, 2048, 20),
        ("m1.medium", 2, 4096, 40),
        ("m1.large", 4, 8192, 80),
        ("m1.xlarge", 8, 16384, 160),
    ]


@pytest.mark.usefixtures("catalogue")
def test_images_are_found_by_name_and_by_part_of_it(api: Api) -> None:
    assert api.names("/images?name=ubuntu-22.04") == ["ubuntu-22.04"]
    assert "ubuntu-22.04" in api.names("/images?name__contains=UBUNTU")
    assert "ubuntu-22.04" in api.names("/images?search=untu-22")
    image = api.get("/images?name=ubuntu-22.04").json()["results"][0]
    assert image["status"] == "ACTIVE"
    assert image["visibility"] == "PUBLIC"


def test_what_is_no_longer_offered_is_shown_by_id_alone(api: Api) -> None:
    flavor = FlavorFactory.create(vanished_at=timezone.now())
    image = ImageFactory.create(vanished_at=timezone.now())
    queued = ImageFactory.create(status="queued")
    assert api.names("/flavors") == []
    assert api.names("/images") == []
    for path in (f"/flavors/{flavor.pk}", f"/images/{image.pk}"):
        assert api.get(path).json()["deprecation"]["unavailable_after"]
    assert api.get(f"/images/{queued.pk}").json()["deprecation"] is None


def test_an_unchanged_flavor_is_304(api: Api) -> None:
    flavor = FlavorFactory.create()
    path = f"/flavors/{flavor.pk}"
    etag = api.get(path).headers["ETag"]
    response = api.get(path, If_None_Match=etag)
    assert (response.status_code, response.content) == (304, b"")


def test_the_catalogue_cannot_be_written(api: Api) -> None:
    flavor = FlavorFactory.create()
    problem(api.post("/flavors", {}), 405, "method-not-allowed")
    problem(api.delete(f"/flavors/{flavor.pk}"), 405, "method-not-allowed")
    problem(api.patch(f"/images/{flavor.pk}", {}), 405, "method-not-allowed")
