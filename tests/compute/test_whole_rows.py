"""Rows that are locked, inserted and updated by SQL that is made once are as Django's."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from compute import statements
from compute.models import VM, Event, Occupation, Operation, Project
from tests.conftest import ALICE
from tests.support.factories import VMFactory

ODD: dict[str, Any] = {
    "name": "é 💾 '\" %s %%",
    "labels": {"a": None, "b": "%s", "c": ["\\", "\n"]},
    "addresses": [],
    "error": None,
    "vcpus": 2**31 - 1,
    "delete_protection": True,
    "observed_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
}


def stop(vm: VM) -> Operation:
    return Operation.objects.create(
        type="vm.stop",
        project=vm.project,
        cloud=vm.cloud,
        target_kind="vm",
        target_id=vm.pk,
        deadline=vm.created_at,
    )


def held(row: Any) -> dict[str, Any]:
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}


@pytest.mark.django_db
def test_what_is_inserted_is_what_django_reads(project: Project) -> None:
    vm = VMFactory.build(project=project, flavor=None, image=None, **ODD)
    assert statements.insert(vm)
    assert held(VM.objects.get()) == held(vm)
    with pytest.raises(ValueError, match="there already"):
        statements.insert(vm)


@pytest.mark.django_db
def test_what_is_locked_is_what_django_reads(project: Project) -> None:
    vms = VMFactory.create(**ODD), VMFactory.create(error={"code": "x"})
    for vm in vms:
        locked = VM.locked(vm.pk)
        assert held(locked) == held(VM.objects.get(pk=vm.pk))
        assert not locked._state.adding
        assert not locked.get_deferred_fields()
    with pytest.raises(VM.DoesNotExist):
        VM.locked(project.pk)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_no_row_is_locked_outside_of_a_transaction(project: Project) -> None:
    for _ in range(2):  # whether the SQL is there or not
        with pytest.raises(TransactionManagementError):
            Project.locked(project.pk)
        with transaction.atomic():
            assert Project.locked(project.pk) == project


@pytest.mark.django_db
def test_an_update_changes_what_is_named_and_nothing_else(project: Project) -> None:
    vm, other = VMFactory.create(), VMFactory.create()
    before = held(other)
    for name, value in ODD.items():
        setattr(vm, name, value)
    vm.description = "not saved"
    statements.update(vm, ODD.keys())
    saved = VM.objects.get(pk=vm.pk)
    assert {name: getattr(saved, name) for name in ODD} == ODD
    assert saved.description == ""
    assert held(VM.objects.get(pk=other.pk)) == before


@pytest.mark.django_db
def test_a_row_that_is_gone_is_not_updated(project: Project) -> None:
    gone = Project(name="gone")
    with pytest.raises(DatabaseError, match="gone"):
        statements.update(gone, {"name"})


@pytest.mark.django_db
def test_an_insert_that_is_forbidden_leaves_the_transaction_usable(
    project: Project,
) -> None:
    vm = VMFactory.create()
    for expected in (True, False):
        place = Occupation(operation=stop(vm), kind="vm", target_id=vm.pk)
        assert statements.insert(place, unless_taken=True) is expected
    assert Occupation.objects.count() == 1
    assert Operation.objects.count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        statements.insert(Occupation(operation=stop(vm), kind="vm", target_id=vm.pk))


@pytest.mark.django_db
def test_what_is_in_the_log_is_not_inserted_again(project: Project) -> None:
    event = Event(project=project, sequence=1, type="x", actor=ALICE.name)
    statements.insert(event)
    for change in (event.save, lambda: statements.insert(event)):
        with pytest.raises((TypeError, ValueError)):
            change()
