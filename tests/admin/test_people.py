"""The page of a user: projects, API tokens and logins; and which permissions there are."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from compute.models import Project, User
from compute.permissions import DJANGO_NAMES
from tests.support.console import Operator, href, path, permission, staff
from tests.support.factories import (
    APITokenFactory,
    LoginFactory,
    MembershipFactory,
    ProjectFactory,
    UserFactory,
)

#: Heading of a section -> the permissions that it takes.
SECTIONS = {
    "Projects": ("view_membership", "view_project"),
    "API tokens": ("view_apitoken",),
    "Logins": ("view_login",),
}

#: Of the page of a user: session, login and account; the banner; the powers of who looks; the user,
#: groups and permissions of the form; then one for each section.
QUERIES = 11


@pytest.fixture
def bob(project: Project) -> User:
    bob: User = UserFactory.create(username="bob")
    return bob


def furnish(user: User, count: int) -> list[Any]:
    rows: list[Any] = []
    for _ in range(count):
        project = ProjectFactory.create()
        MembershipFactory.create(user=user, project=project, role="admin")
        token = APITokenFactory.create(user=user, project=project)
        rows += [project, token, LoginFactory.create(user=user)]
    return rows


def sections(page: str) -> list[str]:
    """Return the headings of what belongs to a user."""
    return [name for name in SECTIONS if f"<h2>{name}</h2>" in page]


def test_a_page_leads_to_what_a_user_has(operator: Operator, bob: User) -> None:
    rows = furnish(bob, 2)
    others = furnish(UserFactory.create(), 1)
    page = operator.get(path(bob))
    assert sections(page) == list(SECTIONS)
    assert [row for row in rows if href(row) not in page] == []
    assert [row for row in others if href(row) in page] == []
    for row in rows:
        operator.get(path(row))
    table = page.partition("<h2>Projects</h2>")[2].partition("</table>")[0]
    assert table.count("<td>admin</td>") == 2


def test_a_page_of_somebody_new_says_so(operator: Operator, bob: User) -> None:
    page = operator.get(path(bob))
    for text in ("In no project.", "No API tokens.", "No logins"):
        assert text in page
    assert not sections(operator.get("compute/user/add/"))


@pytest.mark.parametrize("section", SECTIONS)
def test_who_may_not_see_something_does_not_see_its_section(
    bob: User, section: str
) -> None:
    furnish(bob, 1)
    needed = [name for names in SECTIONS.values() for name in names]
    for missing in SECTIONS[section]:
        given = [permission(name) for name in needed if name != missing]
        emma = staff(f"emma-{missing}", permission("view_user"), *given)
        expected = [name for name in SECTIONS if name != section]
        assert sections(emma.get(path(bob))) == expected


@pytest.mark.parametrize("count", [1, 12])
def test_a_page_costs_the_same_for_any_number_of_rows(
    operator: Operator, bob: User, count: int, django_assert_num_queries: Any
) -> None:
    rows = furnish(bob, count)
    operator.get(path(bob))  # reads what is read once in a process
    with django_assert_num_queries(QUERIES):
        page = operator.get(path(bob))
    assert href(rows[0]) in page


def test_many_rows_are_cut_and_the_lists_have_the_rest(
    operator: Operator, bob: User
) -> None:
    rows = furnish(bob, 11)
    furnish(UserFactory.create(), 1)
    page = operator.get(path(bob))
    assert sum(href(row) in page for row in rows) == 11 + 2 * 10
    for noun in ("apitoken", "login"):
        listed = f"compute/{noun}/?user__id__exact={bob.pk}"
        assert f'href="/admin/{listed}"' in page
        assert operator.get(listed).count('<th class="field-') == 11
    operator.get("compute/login/?user__id__exact=x", status=400)
    operator.get(f"compute/login/?user__id__exact={rows[0].pk}", status=400)


# Permissions


def offered(page: str, field: str) -> set[str]:
    """Return the permissions that a form offers, as `has_perm` names them."""
    select = page.partition(f'id="id_{field}"')[2].partition("</select>")[0]
    ids = re.findall(r'<option value="(\d+)"', select)
    found = Permission.objects.filter(pk__in=ids).select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}" for one in found}


def test_permissions_without_effect_are_not_offered(
    operator: Operator, bob: User
) -> None:
    assert offered(operator.get("auth/group/add/"), "permissions") == DJANGO_NAMES
    page = operator.get(path(bob))
    assert offered(page, "user_permissions") == DJANGO_NAMES
    for name in ("compute.add_event", "auth.add_permission", "sessions.view_session"):
        assert name not in DJANGO_NAMES


def test_nobody_is_offered_what_they_lack(db: None) -> None:
    clerk = staff("clerk", permission("view_vm"), permission("add_event"))
    rights = Permission.objects.filter(codename__in=("add_group", "view_group"))
    clerk.user.groups.add(Group.objects.create(name="clerks"))
    clerk.user.groups.get().permissions.set(rights)
    assert offered(clerk.get("auth/group/add/"), "permissions") == {
        "compute.view_vm",
        "auth.add_group",
        "auth.view_group",
    }
