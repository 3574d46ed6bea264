"""Nobody gives, resets or sees in the console what is above their own rights."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from compute.events import Actor
from compute.models import (
    VM,
    APIToken,
    Event,
    Login,
    Membership,
    Operation,
    OperationStatus,
    OperationType,
    Project,
    Quota,
    Role,
    User,
)
from compute.services import snapshots, vms
from tests.support.api import Api, access_token, problem
from tests.support.console import Operator, permission, staff
from tests.support.factories import (
    ProjectFactory,
    SnapshotFactory,
    UserFactory,
    VMFactory,
)
from tests.support.populated_projects import api_token, member

SECRET = "correct-horse-9"  # pragma: allowlist secret
# pragma: allowlist nextline secret
PASSWORD = {"password1": SECRET, "password2": SECRET, "usable_password": "true"}


def granted(codename: str, app: str = "compute") -> Permission:
    return Permission.objects.get(content_type__app_label=app, codename=codename)


@pytest.fixture
def clerk(db: None) -> Operator:
    """Staff who may change users and groups, and read VMs."""
    groups = [
        granted(f"{verb}_group", "auth") for verb in ("view", "add", "change", "delete")
    ]
    users = [permission(f"{verb}_user") for verb in ("view", "add", "change")]
    return staff("clerk", permission("view_vm"), *groups, *users)


# Passwords


def above() -> dict[str, Callable[[], User]]:
    """Return accounts that may do more than the clerk, by how they do."""

    def with_permission(**fields: Any) -> User:
        user: User = UserFactory.create(is_staff=True, **fields)
        user.user_permissions.add(permission("delete_vm"))
        return user

    def by_group() -> User:
        group = Group.objects.create(name="deleters")
        group.permissions.add(permission("delete_vm"))
        user: User = UserFactory.create(is_staff=True)
        user.groups.add(group)
        return user

    return {
        "superuser": lambda: User.objects.create_superuser("root"),
        "inactive superuser": lambda: UserFactory.create(
            is_superuser=True, is_active=False
        ),
        "staff with a permission": with_permission,
        "inactive staff with a permission": lambda: with_permission(is_active=False),
        "staff of a group": by_group,
        "a project's member": lambda: member(
            ProjectFactory.create(), Role.MEMBER, username="m"
        ),
    }


@pytest.mark.parametrize("how", list(above()))
def test_nobody_resets_the_password_of_who_may_do_more(
    clerk: Operator, how: str
) -> None:
    user = above()[how]()
    before = user.password
    path = f"compute/user/{user.pk}"
    assert clerk.status_of_post(f"{path}/password/", **PASSWORD) == 403
    changed = {"username": user.username, "email": "c@example.com", "is_active": "on"}
    assert clerk.status_of_post(f"{path}/change/", **changed) == 403
    user.refresh_from_db()
    assert (user.password, user.email) == (before, "")
    assert "Set another password" not in clerk.get(f"{path}/change/")


def test_who_may_do_as_much_may_reset_a_password(clerk: Operator) -> None:
    equal = UserFactory.create(is_staff=True)
    equal.user_permissions.add(permission("view_vm"))
    plain = UserFactory.create()
    for user in (equal, plain, clerk.user):
        assert (
            clerk.status_of_post(f"compute/user/{user.pk}/password/", **PASSWORD) == 302
        )
        user.refresh_from_db()
        assert user.check_password(SECRET)


def test_an_admin_of_a_project_may_reset_those_of_its_members(shop: Project) -> None:
    bob = member(shop, Role.MEMBER, username="bob")
    ann = staff("ann", permission("view_user"), permission("change_user"))
    path = f"compute/user/{bob.pk}/password/"
    assert ann.status_of_post(path, **PASSWORD) == 403
    Membership.objects.create(project=shop, user=ann.user, role=Role.ADMIN)
    assert ann.status_of_post(path, **PASSWORD) == 302


def test_a_new_user_may_do_nothing(clerk: Operator) -> None:
    powers = {"is_staff": "on", "is_superuser": "on", "groups": "1"}
    clerk.post("compute/user/add/", username="new", **PASSWORD, **powers)
    new = User.objects.get(username="new")
    assert (new.is_staff, new.is_superuser, new.groups.count()) == (False, False, 0)


# Groups


def test_nobody_gives_a_group_what_they_lack(clerk: Operator) -> None:
    group = Group.objects.create(name="clerks")
    clerk.user.groups.add(group)
    path = f"auth/group/{group.pk}/change/"
    everything = [p.pk for p in Permission.objects.all()]
    clerk.post(path, name="clerks", permissions=everything)
    assert not group.permissions.exists()
    clerk.post(path, name="clerks", permissions=[permission("view_vm").pk])
    assert list(group.permissions.all()) == [permission("view_vm")]
    clerk.post("auth/group/add/", name="mighty", permissions=everything)
    assert not Group.objects.filter(name="mighty").exists()


def test_nobody_touches_a_group_that_may_do_more(clerk: Operator) -> None:
    group = Group.objects.create(name="mighty")
    group.permissions.add(permission("delete_vm"))
    for verb, data in (("change", {"name": "x"}), ("delete", {"post": "yes"})):
        path = f"auth/group/{group.pk}/{verb}/"
        assert clerk.status_of_post(path, **data) == 403
    group.refresh_from_db()
    assert group.permissions.count() == 1


# Roles


def form(project: Project, name: str, role: str) -> dict[str, str]:
    return {
        "name": project.name,
        "description": "",
        "version": str(project.version),
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": name,
        "memberships-0-role": role,
    }


def test_nobody_gives_a_role_that_may_do_more(shop: Project) -> None:
    names = ("view_project", "change_project", "view_membership", "change_membership")
    carl = staff("carl", *map(permission, names))
    for role in ("reader", "admin"):
        path = f"/admin/compute/project/{shop.pk}/change/"
        page = carl.client.post(path, form(shop, "carl", role)).content.decode()
        assert "requires all of its permissions" in page
    assert not Membership.objects.exists()
    assert Event.objects.filter(type="request.refused", project=shop).count() >= 1


def test_who_makes_projects_alone_makes_no_admin(db: None) -> None:
    pia = staff("pia", permission("view_project"), permission("add_project"))
    new = {"name": "mine", "admin": "pia"}
    page = pia.client.post("/admin/compute/project/add/", new).content.decode()
    assert "requires all of its permissions" in page
    assert not Project.objects.filter(name="mine").exists()
    pia.post("compute/project/add/", name="mine")
    assert Project.objects.filter(name="mine").exists()


def test_members_are_added_by_name_without_a_list_of_users(shop: Project) -> None:
    UserFactory.create(username="zoe-of-the-shop")
    names = ("view_project", "change_project", "view_membership", "change_membership")
    page = staff("carl", *map(permission, names)).get(
        f"compute/project/{shop.pk}/change/"
    )
    assert "/admin/compute/user/" not in page
    assert "zoe-of-the-shop" not in page


# What a page shows of others


def test_an_account_that_is_closed_stays_out(operator: Operator, shop: Project) -> None:
    bob = member(shop, Role.MEMBER, username="bob")
    bearers = [api_token(bob, shop, "member"), access_token(bob)]
    joined = {
        f"{prefix}date_joined_{number}": text
        for prefix in ("", "initial-")
        for number, text in enumerate(f"{bob.date_joined:%Y-%m-%d %H:%M:%S}".split())
    }
    path = f"compute/user/{bob.pk}/change/"
    operator.post(path, username="bob", **joined)
    operator.post(path, username="bob", is_active="on", **joined)
    bob.refresh_from_db()
    assert bob.is_active
    for bearer in bearers:
        problem(Api(bearer).get("/vms"), 401, "unauthenticated")
    assert not APIToken.objects.alive().exists()
    assert Login.objects.get(user=bob).revoked_at is not None


def test_a_vm_shows_its_operations_to_who_may_see_operations(
    operator: Operator, make_vm: Callable[..., VM], actor: Actor
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=actor)
    path = f"compute/vm/{vm.pk}/change/"
    telling = ("Operations</h2>", "vm.create", "Under way", "user:alice")
    page = operator.get(path)
    assert [text for text in telling if text not in page] == []
    blind = staff("bea", permission("view_vm"), permission("change_operation"))
    page = blind.get(path)
    assert [text for text in telling if text in page] == []
    assert "STOPPING" in page
    seeing = staff("sam", permission("view_vm"), permission("view_operation"))
    assert "vm.create" in seeing.get(path)


def test_the_failure_of_an_operation_is_the_operations(db: None) -> None:
    vm = VMFactory.create()
    failure = {"title": "It failed", "code": "openstack-error", "detail": "Secret host"}
    vm.operation = Operation.objects.create(
        type=OperationType.VM_STOP,
        status=OperationStatus.FAILED,
        project=vm.project,
        cloud=vm.cloud,
        target_kind="vm",
        target_id=vm.pk,
        error=failure,
        requested_by="user:alice",
        deadline=timezone.now(),
        finished_at=timezone.now(),
    )
    vm.save(update_fields=["operation"])
    path = f"compute/vm/{vm.pk}/change/"
    assert "Secret host" not in staff("bea", permission("view_vm")).get(path)
    seeing = staff("sam", permission("view_vm"), permission("view_operation"))
    assert "Secret host" in seeing.get(path)


def test_pages_of_projects_and_snapshots_keep_operations_too(
    make_vm: Callable[..., VM], actor: Actor
) -> None:
    vm = make_vm()
    snapshot = snapshots.create(vm, name="s", actor=actor)
    names = ("view_project", "view_snapshot")
    blind = staff("bea", *map(permission, names))
    for path in (f"snapshot/{snapshot.pk}", f"project/{vm.project_id}"):
        page = blind.get(f"compute/{path}/change/")
        assert "snapshot.create" not in page
        assert "vm.create" not in page


def test_filters_and_suggestions_tell_no_rows_that_may_not_be_seen(
    catalogue: None,
) -> None:
    other = ProjectFactory.create(name="secret-merger")
    snapshot = SnapshotFactory.create(vm=VMFactory.create(), name="secret-snapshot")
    names = ("view_vm", "add_vm", "change_vm")
    blind = staff("bea", *map(permission, names))
    vm = f"compute/vm/{snapshot.vm_id}/change/"
    secrets = ("secret-merger", "secret-snapshot", "m1.large", "debian-12")
    for path in ("compute/vm/", vm, "compute/vm/add/"):
        page = blind.get(path)
        assert [text for text in secrets if text in page] == [], path
    # What may not be listed can be named all the same.
    assert 'name="snapshot"' in blind.get(vm)
    assert blind.get(f"compute/vm/?project={other.pk}")


def test_a_list_of_projects_keeps_quotas_and_members(shop: Project) -> None:
    Quota.objects.filter(project=shop, resource="vms").update(limit=7)
    blind = staff("bea", permission("view_project"))
    page = blind.get("compute/project/")
    assert "of 7" not in page
    assert "column-members" not in page
    names = ("view_project", "view_quota", "view_membership")
    seeing = staff("sam", *map(permission, names)).get("compute/project/")
    assert "of 7" in seeing
    assert "column-members" in seeing
