"""A flavor and an image stay as they were sent, and a VM at rest keeps its version."""

from collections.abc import Callable

import pytest

from compute.models import VM, Event, Flavor, Image
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.support.api import Api

MakeVM = Callable[..., VM]


def reference(kind: type[Flavor] | type[Image], name: str, by: str) -> str:
    return str(getattr(kind.objects.get(name=name), by))


def look_again() -> None:
    for full in (False, True, True):
        observe(full=full)


by = pytest.mark.parametrize("by", ["id", "provider_id", "name"])


@by
def test_a_tag_of_the_answer_to_a_create_is_good_for_the_next_write(
    api: Api, catalogue: None, drain: Drain, by: str
) -> None:
    sent = {
        "name": "web",
        "flavor": reference(Flavor, "m1.medium", by),
        "image": reference(Image, "debian-12", by),
    }
    api.post("/vms", sent, Idempotency_Key="k")
    drain()
    created = api.post("/vms", sent, Idempotency_Key="k")
    assert created.status_code == 201
    vm = created.json()
    look_again()
    shown = api.get(f"/vms/{vm['id']}")
    observed_at = {"observed_at": shown.json()["observed_at"]}
    assert shown.json() == {**vm, **sent, **observed_at}
    assert shown.headers["ETag"] == created.headers["ETag"]
    tag = created.headers["ETag"]
    renamed = api.patch(f"/vms/{vm['id']}", {"name": "db"}, If_Match=tag)
    assert renamed.status_code == 200
    told = Event.objects.filter(actor="system").values_list("type", flat=True)
    assert sorted(told) == ["operation.finished", "vm.updated"]  # the create's end


@by
def test_what_a_resize_and_a_rebuild_were_sent_stays_too(
    make_vm: MakeVM, drain: Drain, by: str
) -> None:
    vm = make_vm()
    flavor = reference(Flavor, "m1.large", by)
    image = reference(Image, "debian-12", by)
    vms.resize(vm, flavor=flavor, actor=ALICE)
    drain()
    vms.rebuild(vm, image=image, actor=ALICE)
    drain()
    vm.refresh_from_db()
    version = vm.version
    look_again()
    vm.refresh_from_db()
    assert (vm.flavor_name, vm.image_name, vm.version) == (flavor, image, version)
    assert not Event.objects.filter(type="vm.drifted").exists()


def test_another_flavor_of_the_same_size_is_still_noticed(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm(flavor=reference(Flavor, "m1.small", "id"))
    (small,) = [f for f in cloud.flavors.list_all() if f.name == "m1.small"]
    twin = type(small)("77", "m2.small", small.vcpus, small.ram_mb, small.disk_gb)
    cloud.controls.put_flavor(twin)
    cloud.controls.poke(vm.server_id, flavor_id=twin.id)
    observe(full=True)
    vm.refresh_from_db()
    assert vm.flavor_name == "m2.small"
