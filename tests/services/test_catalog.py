"""The catalogue: a copy of what the clouds offer."""

from dataclasses import replace

import pytest
from django.utils import timezone
from pytest_django import Settings

from compute.models import Cloud, Flavor, Image
from compute.services import catalog
from providers.contract.flavors import Flavor as CloudFlavor
from providers.contract.images import Image as CloudImage
from providers.errors import ProviderError
from providers.mock import MockCloud
from tests.support.factories import VMFactory

pytestmark = pytest.mark.django_db

HUGE = CloudFlavor(id="99", name="m1.huge", vcpus=64, ram_mb=262144, disk_gb=500)
PLAN9 = CloudImage(
    id="plan-9",
    name="plan9",
    status="active",
    visibility="public",
    size_bytes=100,
    min_disk_gb=1,
    min_ram_mb=64,
)


def test_a_refresh_copies_what_is_offered(cloud: MockCloud) -> None:
    before = timezone.now()
    catalog.refresh("default")
    sizes = Flavor.objects.values_list("name", "vcpus", "ram_mb", "disk_gb")
    assert set(sizes) == {
        ("m1.tiny", 1, 512, 5),
        ("m1.small", 1, 2048, 20),
        ("m1.medium", 2, 4096, 40),
        ("m1.large", 4, 8192, 80),
        ("m1.xlarge", 8, 16384, 160),
    }
    assert {image.name for image in cloud.images.list_all()} == set(
        Image.objects.offered().values_list("name", flat=True)
    )
    refreshed = Cloud.objects.get(alias="default").catalog_refreshed_at
    assert refreshed is not None
    assert refreshed >= before


def test_a_second_refresh_changes_nothing(cloud: MockCloud) -> None:
    catalog.refresh("default")
    before = list(Flavor.objects.values()), list(Image.objects.values())
    catalog.refresh("default")
    assert (list(Flavor.objects.values()), list(Image.objects.values())) == before


def test_what_vanished_is_marked_and_may_return(cloud: MockCloud) -> None:
    cloud.controls.put_flavor(HUGE)
    cloud.controls.put_image(PLAN9)
    catalog.refresh("default")
    flavor, image = Flavor.objects.get(name=HUGE.name), Image.objects.get(name="plan9")
    cloud.controls.remove_flavor(HUGE.id)
    cloud.controls.remove_image(PLAN9.id)
    catalog.refresh("default")
    for row in (flavor, image):
        row.refresh_from_db()
        assert row.vanished_at is not None
    assert flavor not in Flavor.objects.offered()
    assert image not in Image.objects.offered()
    gone = flavor.vanished_at
    catalog.refresh("default")
    flavor.refresh_from_db()
    assert flavor.vanished_at == gone
    cloud.controls.put_flavor(HUGE)
    cloud.controls.put_image(PLAN9)
    catalog.refresh("default")
    for row in (flavor, image):
        row.refresh_from_db()
        assert row.vanished_at is None
    assert flavor in Flavor.objects.offered()
    assert image in Image.objects.offered()


def test_what_a_shelved_vm_is_kept_in_is_offered_to_nobody(
    cloud: MockCloud,
) -> None:
    VMFactory.create(server_id="kept")
    cloud.controls.put_image(replace(PLAN9, server_id="kept"))
    cloud.controls.put_image(
        replace(PLAN9, id="other", name="golden", server_id="elsewhere")
    )
    catalog.refresh("default")
    offered = set(Image.objects.offered().values_list("name", flat=True))
    assert "golden" in offered
    assert "plan9" not in offered


def test_what_was_renamed_or_resized_keeps_its_id(cloud: MockCloud) -> None:
    cloud.controls.put_flavor(HUGE)
    cloud.controls.put_image(PLAN9)
    catalog.refresh("default")
    flavor, image = Flavor.objects.get(name=HUGE.name), Image.objects.get(name="plan9")
    cloud.controls.put_flavor(replace(HUGE, name="m1.vast", vcpus=96))
    cloud.controls.put_image(replace(PLAN9, name="plan9-4th", min_disk_gb=2))
    catalog.refresh("default")
    changed, renamed = Flavor.objects.get(pk=flavor.pk), Image.objects.get(pk=image.pk)
    assert (changed.name, changed.vcpus) == ("m1.vast", 96)
    assert (renamed.name, renamed.min_disk_gb) == ("plan9-4th", 2)
    assert changed.updated_at > flavor.updated_at
    assert catalog.flavor("m1.vast", cloud="default") == flavor


@pytest.mark.parametrize("op", ["flavors.list_all", "images.list_all"])
def test_a_listing_that_fails_changes_nothing(cloud: MockCloud, op: str) -> None:
    catalog.refresh("default")
    before = Cloud.objects.get().catalog_refreshed_at
    cloud.controls.put_flavor(HUGE)
    cloud.controls.inject(op, kind="fail", status=503)
    with pytest.raises(ProviderError):
        catalog.refresh("default")
    assert not Flavor.objects.filter(name=HUGE.name).exists()
    assert Cloud.objects.get().catalog_refreshed_at == before


def test_a_cloud_that_fails_is_read_when_it_can_answer(
    cloud: MockCloud, settings: Settings
) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "lab": settings.PROVIDERS["default"],
    }
    cloud.controls.inject("images.list_all", kind="fail", status=503)
    catalog.keep_fresh("default")
    catalog.keep_fresh("lab")
    assert set(Flavor.objects.values_list("cloud", flat=True)) == {"lab"}
    assert not catalog.loaded()
    catalog.keep_fresh("default")
    assert catalog.loaded()
    # Two clouds may offer the same: each has its own row.
    assert Flavor.objects.filter(name="m1.small").count() == 2
    assert catalog.flavor("m1.small", cloud="lab").cloud == "lab"
