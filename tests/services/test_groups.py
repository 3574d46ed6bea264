"""The groups of operators that migrate creates, and what becomes of them later."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from compute.models import Role
from compute.permissions import DJANGO_NAMES, GROUPS, PERMISSIONS

NAMES = ["Auditor", "Helpdesk", "Operator"]


def migrate(*arguments: str) -> None:
    call_command("migrate", *arguments, verbosity=0)


def names() -> list[str]:
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def holds(name: str) -> set[str]:
    """Return what a group may do, as `has_perm` names it."""
    found = Permission.objects.filter(group__name=name).select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}" for one in found}


def actions(name: str) -> set[str]:
    """Return what a group may do, in the words of the table."""
    held = holds(name)
    return {
        action
        for action, permission in PERMISSIONS.items()
        if permission.django_name in held
    }


@pytest.mark.django_db
def test_migrate_creates_them_with_what_the_table_says() -> None:
    assert names() == NAMES
    assert {name: holds(name) for name in NAMES} == dict(GROUPS)
    assert holds("Operator") == DJANGO_NAMES


@pytest.mark.django_db
def test_an_auditor_only_looks() -> None:
    assert {action.partition(".")[2] for action in actions("Auditor")} == {
        "list",
        "retrieve",
        "stream",
    }
    shown = {action for action in PERMISSIONS if action.endswith(".list")}
    assert shown <= actions("Auditor")


@pytest.mark.django_db
def test_a_helpdesk_helps_and_breaks_nothing() -> None:
    power = ("start", "stop", "reboot", "pause", "unpause", "suspend", "resume")
    looks = {action for action in actions("Auditor") if "webhook" not in action}
    helps = {f"vm.{action}" for action in power} | {"operation.cancel"}
    assert actions("Helpdesk") == looks | helps
    # No role is made of that, so none can be given, and no API token.
    for role in Role:
        assert not all(
            action in actions("Helpdesk")
            for action, permission in PERMISSIONS.items()
            if permission.is_granted_to(role)
        )


@pytest.mark.django_db
def test_a_later_migrate_undoes_no_change_of_an_operator() -> None:
    auditor = Group.objects.get(name="Auditor")
    auditor.permissions.remove(Permission.objects.get(codename="view_vm"))
    auditor.permissions.add(Permission.objects.get(codename="add_vm"))
    Group.objects.filter(name="Helpdesk").delete()
    Group.objects.filter(name="Operator").update(name="On call")
    before = holds("Auditor")
    migrate()
    assert names() == ["Auditor", "On call"]
    assert holds("Auditor") == before


@pytest.mark.django_db
def test_a_later_migrate_adds_what_is_new() -> None:
    auditor = Group.objects.get(name="Auditor")
    auditor.permissions.remove(Permission.objects.get(codename="view_vm"))
    # As if they came with the next version.
    Permission.objects.filter(codename__in=("view_router", "add_router")).delete()
    migrate()
    assert holds("Operator") == DJANGO_NAMES
    assert holds("Auditor") == GROUPS["Auditor"] - {"compute.view_vm"}
    assert holds("Helpdesk") == GROUPS["Helpdesk"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_service_that_is_older_gets_them_and_keeps_its_own() -> None:
    Permission.objects.filter(codename="operate_vm").delete()
    Group.objects.all().delete()
    own = Group.objects.create(name="Operator")
    migrate("compute", "0009")
    assert names() == ["Operator"]
    migrate()
    assert names() == NAMES
    assert not own.permissions.exists()
    assert holds("Helpdesk") == GROUPS["Helpdesk"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_they_are_there_after_all_tables_were_emptied() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert {name: holds(name) for name in names()} == dict(GROUPS)
