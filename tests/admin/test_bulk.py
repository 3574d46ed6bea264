"""Batches: what was shown is done, once, and the page of a batch tells the truth."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.admin.console import lists
from compute.errors import Problem
from compute.events import Actor
from compute.models import VM, Batch, BatchItem, Operation
from compute.services import batches
from compute.services.batches import Shown
from tests.support.console import (
    Operator,
    confirm,
    form,
    path,
    permission,
    preview,
    staff,
)
from tests.support.factories import ProjectFactory, VMFactory

STOP = "compute/vm/bulk/stop/"


def end(vm: VM, status: str) -> None:
    """Have the operation of a VM ended."""
    VM.objects.filter(pk=vm.pk).update(status="ACTIVE")
    Operation.objects.filter(target_id=vm.pk).update(
        status=status,
        finished_at=timezone.now(),
        error={"title": "No", "detail": "The cloud says no."},
    )


def test_what_changed_meanwhile_is_refused_and_named(operator: Operator) -> None:
    names = ("fit-1", "paused-1", "gone-1", "renamed-1")
    vms = {name: VMFactory.create(name=name) for name in names}
    page = preview(operator, "stop", *vms.values())
    assert ">Stop 4 VMs</button>" in page
    for name, status in (("paused-1", "PAUSED"), ("gone-1", "DELETED")):
        deleted_at = timezone.now() if status == "DELETED" else None
        VM.objects.filter(name=name).update(
            status=status, version=2, deleted_at=deleted_at
        )
    VM.objects.filter(name="renamed-1").update(name="renamed-2", version=2)
    told = confirm(operator, page)
    assert "Stop 4 VMs : 4 asked: 3 refused, 1 under way." in told
    page = operator.get(path(Batch.objects.get()))
    for text in (
        *("Cannot stop a VM that is PAUSED.", "No such VM.", "and is ACTIVE now."),
        *("paused-1", "gone-1", "renamed-2"),
    ):
        assert text in told
        assert text in page
    assert Operation.objects.get().target_id == vms["fit-1"].pk


def test_a_second_press_does_nothing_again(operator: Operator) -> None:
    vm = VMFactory.create()
    page = preview(operator, "stop", vm)
    confirm(operator, page)
    end(vm, "SUCCEEDED")
    assert confirm(operator, page) == (
        "This was confirmed before. Nothing was done again."
    )
    assert Operation.objects.count() == Batch.objects.count() == 1


def test_forged_forms_are_refused(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = VMFactory.create()
    shown, batch = f"{vm.pk}:{vm.version}", str(uuid.uuid4())
    monkeypatch.setattr(lists, "MAX_SELECTED", 2)
    for vms in (
        *("", "x", str(vm.pk), f"{vm.pk}:x", f"{shown},", f"{vm.pk}:9999999999"),
        *(f"{uuid.uuid4()}:1", f"{shown},{uuid.uuid4()}:1"),
        *(",".join([shown] * 3), ",".join(f"{uuid.uuid4()}:1" for _ in range(5000))),
    ):
        assert operator.status_of_post(STOP, batch=batch, vms=vms) == 400, vms[:100]
    assert operator.status_of_post(STOP, batch="x", vms=shown) == 400
    assert operator.status_of_post(STOP) == 400
    for many in (2000, 100_000):
        body = f"action=stop_all&index=0{f'&_selected_action={vm.pk}' * many}"
        response = operator.client.post(
            "/admin/compute/vm/", body, content_type="application/x-www-form-urlencoded"
        )
        assert response.status_code in (400, 413)
    # As after a login in between: back to where VMs are chosen.
    assert operator.client.get(f"/admin/{STOP}")["Location"] == "/admin/compute/vm/"
    blind = staff("bea", permission("operate_vm"), permission("view_operation"))
    assert blind.status_of_post(STOP, batch=batch, vms=shown) == 403
    operator.get("compute/vm/bulk/resize/", status=404)
    assert not Batch.objects.exists()
    # The same twice is once.
    told = operator.post(STOP, batch=batch, vms=f"{shown},{shown}")
    assert "1 asked: 1 under way." in told


class Killed(BaseException):
    """The process is gone."""


def die(problem: Problem, vm: VM) -> str:
    raise Killed


def test_an_interrupted_batch_says_so_and_goes_on(
    operator: Operator, actor: Actor
) -> None:
    vms = [VMFactory.create(status=status) for status in ("ACTIVE", "PAUSED", "ACTIVE")]
    shown = [Shown(vm.pk, vm.version) for vm in vms]
    batch = batches.begin(uuid.uuid4(), "stop", shown, actor=actor)
    assert batch is not None
    with pytest.raises(Killed):
        batches.go_on(batch, actor=actor, refused=die)
    page = operator.get(path(batch))
    assert "1 of 3 asked: 1 under way, 2 not asked yet" in page
    assert "interrupted" not in page
    BatchItem.objects.filter(asked_at__isnull=False).update(
        asked_at=timezone.now() - timedelta(minutes=1)
    )
    page = operator.get(path(batch))
    assert "This batch was interrupted: 2 of its VMs were not asked." in page
    assert "Ask the other 2" in page
    assert "INTERRUPTED" in operator.get("compute/batch/")
    told = operator.post(path(batch, "actions/continue"))
    assert "3 asked: 1 refused, 2 under way." in told
    assert Operation.objects.count() == 2


def test_a_request_asks_for_a_limited_time(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    vms = VMFactory.create_batch(3)
    monkeypatch.setattr(batches, "SECONDS", 0.0)
    told = confirm(operator, preview(operator, "stop", *vms))
    assert "1 of 3 asked: 1 under way, 2 not asked yet." in told
    monkeypatch.setattr(batches, "SECONDS", 10.0)
    told = operator.post(path(Batch.objects.get(), "actions/continue"))
    assert "3 asked: 3 under way." in told


def test_the_failed_are_tried_again(operator: Operator) -> None:
    good, bad = VMFactory.create(name="good-1"), VMFactory.create(name="bad-1")
    confirm(operator, preview(operator, "stop", good, bad))
    batch = Batch.objects.get()
    page = operator.get(path(batch))
    assert "RUNNING" in page
    assert "failed again" not in page
    end(good, "SUCCEEDED")
    end(bad, "FAILED")
    page = operator.get(path(batch))
    assert "2 asked: 1 succeeded, 1 failed" in page
    assert "The cloud says no." in page
    found = operator.get(f"compute/operation/?batch={batch.pk}&status__exact=FAILED")
    assert "bad-1" in found
    assert "good-1" not in found
    operator.get("compute/operation/?batch=x", status=400)
    response = operator.client.post(f"/admin/{path(batch, 'actions/again')}")
    again = response.content.decode()
    assert ">Stop 1 VM</button>" in again
    confirm(operator, again)
    assert Batch.objects.count() == 2
    assert bad.pk == Batch.objects.latest("created_at").items.get().vm_id


def test_a_batch_is_for_who_may_see_operations(db: None) -> None:
    vm = VMFactory.create()
    helper = staff("hal", permission("view_vm"), permission("operate_vm"))
    assert "1 asked: 1 under way." in confirm(helper, preview(helper, "stop", vm))
    batch = Batch.objects.get()
    helper.get(path(batch), status=403)
    helper.get("compute/batch/", status=403)
    reader = staff("rea", permission("view_operation"))
    assert "Stop 1 VM" in reader.get("compute/batch/")
    BatchItem.objects.update(asked_at=None, operation=None)
    Batch.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert "Ask the other" not in reader.get(path(batch))
    for name in ("continue", "again"):
        assert reader.status_of_post(path(batch, f"actions/{name}")) == 403


@pytest.mark.parametrize("count", [2, 60])
def test_pages_cost_the_same_for_any_number_of_vms(
    operator: Operator,
    count: int,
    django_assert_num_queries: Callable[..., CaptureQueriesContext],
) -> None:
    for n in range(count):
        VMFactory.create(project=ProjectFactory.create(name=f"p{n}"))
        VMFactory.create(status="PAUSED")
    # The list's own, and the VMs.
    with django_assert_num_queries(12):
        page = preview(operator, "stop", *VM.objects.all())
    assert len(form(page)["vms"].split(",")) == count
    VM.objects.filter(status="ACTIVE").update(version=2)
    VM.objects.filter(project__name="p0").update(version=1)
    confirm(operator, page)
    batch = Batch.objects.get()
    with django_assert_num_queries(8):
        operator.get(path(batch))
