"""An API token for a colleague: asked for by name, given within one's rights, shown once."""

import html
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages

from compute.models import APIToken, Event, Project, Role, User
from compute.permissions import PERMISSIONS
from tests.support.api import Api
from tests.support.console import OPERATOR, Operator, permission, staff
from tests.support.factories import ProjectFactory, UserFactory
from tests.support.populated_projects import member

ADD = "compute/apitoken/add/"
FORM = ("add_apitoken", "view_user", "view_project")


@pytest.fixture
def bob(project: Project) -> User:
    return member(project, Role.MEMBER, username="bob")


def values(user: User, project: Project, **fields: Any) -> dict[str, Any]:
    asked = {"role": "reader", "name": "ci", "days": "30"}
    return {"user": str(user.pk), "project": str(project.pk), **asked, **fields}


def send(operator: Operator, data: dict[str, Any]) -> str:
    response = operator.client.post(f"/admin/{ADD}", data)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def error_at(page: str, field: str) -> str:
    """Return what a page says at a field of its form."""
    found = re.search(rf'id="id_{field}_error"><li>(.*?)</li>', page)
    return found[1] if found else ""


def secret_on(page: str) -> str:
    return "".join(re.findall(r'value="(osl_[^"]+)"', page))


def roles(role: Role) -> list[Permission]:
    """Return what an operator needs to give a role."""
    return [
        permission(one.codename)
        for one in PERMISSIONS.values()
        if one.is_granted_to(role)
    ]


# Created and shown


def test_a_colleague_gets_a_token_that_is_shown_once(
    operator: Operator,
    project: Project,
    bob: User,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = values(bob, project, role="member")
    response = operator.client.post(f"/admin/{ADD}", data)
    page = response.content.decode()
    secret = secret_on(page)
    assert page.count(secret) == 1
    assert "no-store" in response.headers["Cache-Control"]
    me = Api(secret).get("/auth/me").json()
    assert me["username"] == "bob"
    token = APIToken.objects.get()
    assert (token.user, token.project, token.role) == (bob, project, "member")
    assert token.expires_at is not None
    assert (token.expires_at - token.created_at).days in (29, 30)
    event = Event.objects.get(type="api-token.created")
    assert (event.actor, event.details["user"]) == (OPERATOR, "bob")
    # Nowhere else.
    assert secret not in str(dict(operator.client.session))
    assert not list(get_messages(response.wsgi_request))
    assert not LogEntry.objects.exists()
    assert secret not in str(event.data)
    written = capsys.readouterr()
    assert secret not in caplog.text + written.out + written.err
    for path in (f"compute/apitoken/{token.pk}/change/", "compute/apitoken/", ""):
        assert secret not in operator.get(path)


def test_a_token_of_no_days_never_expires(
    operator: Operator, project: Project, bob: User
) -> None:
    page = send(operator, values(bob, project, days="0"))
    assert "It never expires." in page
    assert APIToken.objects.get().expires_at is None


# Refused


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("role", "admin", "its user does not have it in this project"),
        ("role", "owner", "Select a valid choice"),
        ("name", "", "This field is required."),
        ("name", "a\tb", "control characters"),
        ("days", "-1", "greater than or equal to 0"),
        ("days", "36501", "less than or equal to 36500"),
        ("user", "", "This field is required."),
        ("user", "nonsense", "Select a valid choice"),
        ("user", "9" * 30, "Select a valid choice"),
        ("project", "nonsense", "not a valid UUID"),
        ("project", "\0", "Null characters are not allowed"),
        ("project", "00000000-0000-4000-8000-000000000000", "Select a valid choice"),
    ],
)
def test_a_refused_form_says_why_at_the_field_and_keeps_the_rest(
    operator: Operator,
    project: Project,
    bob: User,
    field: str,
    value: str,
    reason: str,
) -> None:
    page = send(operator, {**values(bob, project, name="deploy"), field: value})
    assert reason in error_at(page, field)
    kept = {
        "user": f'<option value="{bob.pk}" selected>bob',
        "project": f'<option value="{project.pk}" selected>{project.name}',
        "name": 'value="deploy"',
        "days": 'value="30"',
    }
    assert [name for name, text in kept.items() if text not in page] == [
        name for name in kept if name == field
    ]
    assert not APIToken.objects.exists()


def test_nobody_inactive_and_no_deleted_project_gets_one(
    operator: Operator, project: Project, bob: User
) -> None:
    gone = UserFactory.create(is_active=False)
    deleted = ProjectFactory.create()
    deleted.mark_deleted()
    deleted.save()
    assert error_at(send(operator, values(gone, project)), "user")
    assert error_at(send(operator, values(bob, deleted)), "project")
    assert not APIToken.objects.exists()


def test_nobody_gives_a_role_with_more_than_they_may(project: Project) -> None:
    ann = staff("ann", *map(permission, FORM), *roles(Role.READER))
    carl = member(project, Role.READER, username="carl")
    assert secret_on(send(ann, values(carl, project)))
    page = send(ann, values(carl, project, role="member"))
    assert "requires all of its permissions" in error_at(page, "role")
    assert not secret_on(page)
    refusal = Event.objects.get(type="request.refused")
    assert (refusal.actor, refusal.project_id) == ("user:ann", project.pk)
    assert APIToken.objects.count() == 1


def test_nobody_gives_the_key_of_an_account_above_their_own(
    project: Project, bob: User
) -> None:
    ann = staff("ann", *map(permission, FORM), *roles(Role.READER))
    boss = UserFactory.create(is_superuser=True, is_staff=True)
    for above in (boss, bob):
        page = send(ann, values(above, project))
        assert "may do more than yours" in error_at(page, "user")
    assert not APIToken.objects.exists()


@pytest.mark.parametrize("missing", FORM)
def test_the_form_is_for_who_may_use_it(db: None, missing: str) -> None:
    others = [permission(name) for name in (*FORM, "view_apitoken") if name != missing]
    emma = staff("emma", *others)
    assert emma.status_of_post(ADD) == 403
    emma.get(ADD, status=403)
    assert ADD not in emma.get("compute/apitoken/")
    emma.user.user_permissions.add(permission(missing))
    greta = Operator(User.objects.get(pk=emma.user.pk))
    assert ADD in greta.get("compute/apitoken/")
    assert 'id="id_user"' in greta.get(ADD)


# Suggestions


def suggested(
    operator: Operator, field: str, term: str, model: str = "apitoken"
) -> Any:
    query = {
        "term": term,
        "app_label": "compute",
        "model_name": model,
        "field_name": field,
    }
    response = operator.client.get("/admin/autocomplete/", query)
    if response.status_code != 200:
        return response.status_code
    return [row["text"] for row in response.json()["results"]]


def test_users_and_projects_are_suggested_by_name(
    operator: Operator, bob: User
) -> None:
    UserFactory.create(username="bobby")
    UserFactory.create(username="bob-who-left", is_active=False)
    ProjectFactory.create(name="web")
    deleted = ProjectFactory.create(name="web-old")
    deleted.mark_deleted()
    deleted.save()
    assert suggested(operator, "user", "bo") == ["bob", "bobby"]
    assert suggested(operator, "project", "WEB") == ["web"]


def test_suggestions_are_for_who_may_see_the_list(bob: User) -> None:
    emma = staff("emma", permission("add_apitoken"), permission("view_project"))
    assert suggested(emma, "user", "bo") == 403
    assert suggested(emma, "project", "de") == ["default"]
    assert suggested(emma, "nonsense", "de") == 403
    assert suggested(emma, "project", "de", model="nonsense") == 403


@pytest.mark.parametrize(
    "query", ["term=%00", "to_field=password", "page=x", "term=a&term=b"]
)
def test_suggestions_take_no_other_parameters(operator: Operator, query: str) -> None:
    asked = "app_label=compute&model_name=apitoken&field_name=user"
    operator.get(f"autocomplete/?{asked}&{query}", status=400)
    operator.get(f"autocomplete/?{asked}&term=&page=")
