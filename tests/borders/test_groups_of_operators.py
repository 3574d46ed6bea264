"""Nobody reaches a group, or the account of a member, that may do more than they do."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from compute.models import Event, User
from tests.support.console import Operator
from tests.support.factories import UserFactory

SECRET = "correct-horse-9"  # pragma: allowlist secret
# pragma: allowlist nextline secret
PASSWORD = {"password1": SECRET, "password2": SECRET, "usable_password": "true"}
GROUPS = ("Operator", "Auditor", "Helpdesk")
#: A group -> those that may no more than it.
BELOW: list[tuple[str, set[str]]] = [
    ("Operator", {"Operator", "Auditor", "Helpdesk"}),
    ("Auditor", {"Auditor"}),
    ("Helpdesk", {"Helpdesk"}),
]


def of(group: str, *codenames: str) -> Operator:
    """Return staff of a group, with some permissions besides."""
    user: User = UserFactory.create(is_staff=True, password="x")
    user.groups.add(Group.objects.get(name=group))
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return Operator(user)


def url(user: User, verb: str = "change") -> str:
    return f"compute/user/{user.pk}/{verb}/"


def can_reset(operator: Operator, user: User) -> bool:
    status = operator.status_of_post(url(user, "password"), **PASSWORD)
    user.refresh_from_db()
    assert (status == 302) == user.check_password(SECRET)
    return status == 302


@pytest.mark.django_db
@pytest.mark.parametrize("own", GROUPS)
def test_no_member_puts_anybody_into_a_group(own: str) -> None:
    clerk = of(own, "view_user", "change_user")
    colleague = UserFactory.create()
    powers: dict[str, Any] = {
        "groups": [str(group.pk) for group in Group.objects.all()],
        "user_permissions": [str(one.pk) for one in Permission.objects.all()],
        "is_staff": "on",
        "is_superuser": "on",
    }
    for user in (clerk.user, colleague):
        data = {"username": user.username, "is_active": "on", "email": "a@example.com"}
        assert clerk.status_of_post(url(user), **data, **powers) == 302
    colleague.refresh_from_db()
    assert colleague.email == "a@example.com"
    assert not colleague.is_staff
    assert not colleague.is_superuser
    assert not colleague.groups.exists()
    assert not colleague.user_permissions.exists()
    assert [group.name for group in clerk.user.groups.all()] == [own]
    assert clerk.user.user_permissions.count() == 2
    assert not User.objects.get(pk=clerk.user.pk).is_superuser


@pytest.mark.django_db
def test_a_superuser_puts_somebody_into_a_group() -> None:
    root = Operator(User.objects.create_superuser("root", password="x"))
    ann = UserFactory.create()
    group = Group.objects.get(name="Helpdesk")
    data = {"username": ann.username, "is_active": "on", "is_staff": "on"}
    assert root.status_of_post(url(ann), **data, groups=str(group.pk)) == 302
    assert ann.groups.get() == group
    assert Event.objects.get().details["changed"] == ["Staff status", "Groups"]


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "others"), BELOW)
def test_members_reset_passwords_of_who_may_no_more_than_they(
    own: str, others: set[str]
) -> None:
    clerk = of(own, "view_user", "change_user")
    assert {name for name in GROUPS if can_reset(clerk, of(name).user)} == others
    assert not can_reset(clerk, User.objects.create_superuser("root"))
    assert can_reset(clerk, UserFactory.create())


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "others"), BELOW)
def test_members_change_groups_that_may_no_more_than_they(
    own: str, others: set[str]
) -> None:
    clerk = of(own, "change_group", "delete_group")
    changed, deleted = set(), set()
    # Its own last: it takes away what the clerk has by it.
    for name in sorted(GROUPS, key=lambda name: name == own):
        path = f"auth/group/{Group.objects.get(name=name).pk}"
        view = Permission.objects.get(codename="view_vm")
        kept = {"name": name, "permissions": [str(view.pk)]}
        if clerk.status_of_post(f"{path}/change/", **kept) == 302:
            changed.add(name)
        if clerk.status_of_post(f"{path}/delete/", post="yes") == 302:
            deleted.add(name)
    assert changed == others
    assert deleted == others


@pytest.mark.django_db
def test_nobody_gives_a_new_group_what_they_lack() -> None:
    clerk = of("Helpdesk", "add_group")
    for codename, is_held in (("operate_vm", True), ("change_vm", False)):
        right = Permission.objects.get(codename=codename)
        data = {"name": codename, "permissions": [str(right.pk)]}
        clerk.client.post("/admin/auth/group/add/", data)
        assert Group.objects.filter(name=codename).exists() == is_held


@pytest.mark.django_db
def test_each_group_gets_around_in_the_console() -> None:
    lists = ("vm", "operation", "project", "user", "apitoken", "login", "cloud")
    for name in GROUPS:
        member = of(name)
        for noun in lists:
            member.get(f"compute/{noun}/")
        member.get("compute/webhook/", status=403 if name == "Helpdesk" else 200)
        member.get("auth/group/")
        can_create = name == "Operator"
        member.get("compute/apitoken/add/", status=200 if can_create else 403)
