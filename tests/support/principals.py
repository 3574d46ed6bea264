"""Everybody a request can come from, as seen from one project."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from compute.events import Actor
from compute.models import APIToken, Login, Project, Role, User
from compute.permissions import PERMISSIONS
from compute.services import logins
from compute.services.logins import CLAIM
from tests.support.api import access_token
from tests.support.factories import ProjectFactory, UserFactory
from tests.support.populated_projects import Place, api_token, member, staff

#: All of Django's permissions that an operator can have any use for.
EVERY_PERMISSION = frozenset(p.codename for p in PERMISSIONS.values())


@dataclass(frozen=True)
class Principal:
    name: str
    bearer: str | None
    #: The code of the problem that every secured call answers, if nobody is let in.
    refused: str = ""
    #: In the project that is asked about.
    role: Role | None = None
    #: Of Django, which an operator has everywhere.
    permissions: frozenset[str] = frozenset()
    #: Whether it comes with an API token.
    is_token: bool = False
    #: Whether it is an admin of another project.
    is_admin_elsewhere: bool = False

    def has(self, permission: str) -> bool:
        """Whether it has a permission in the project, by the table of them."""
        granted = PERMISSIONS[permission].is_granted_to(self.role)
        return granted or self.operates(permission)

    def operates(self, permission: str) -> bool:
        """Whether it has a permission everywhere, as an operator."""
        return PERMISSIONS[permission].codename in self.permissions


def let_in(place: Place) -> Iterator[Principal]:
    """Yield everybody who is somebody."""
    project, people = place.project, place.people
    for role in Role:
        yield Principal(role, access_token(people[role]), role=role)
    robot = member(project, Role.ADMIN, username="robot")
    for role in Role:
        bearer = api_token(robot, project, role)
        yield Principal(f"{role} token", bearer, role=role, is_token=True)
    operator = staff("operator", *EVERY_PERMISSION)
    yield Principal("operator", access_token(operator), permissions=EVERY_PERMISSION)
    bearer = api_token(operator, project, Role.MEMBER)
    yield Principal("operator's token", bearer, role=Role.MEMBER, is_token=True)
    yield stranger()
    nobody = UserFactory.create(username="nobody")
    yield Principal("of no project", access_token(nobody))


def stranger() -> Principal:
    """Return an admin of another project."""
    elsewhere = ProjectFactory.create(name="elsewhere")
    user = member(elsewhere, Role.ADMIN, username="stranger")
    return Principal("stranger", access_token(user), is_admin_elsewhere=True)


def kept_out(place: Place) -> Iterator[Principal]:
    """Yield everybody who is let in no more, and who never was."""
    project, wrong = place.project, "unauthenticated"
    yield Principal("anonymous", None, wrong)
    fired = member(project, Role.ADMIN, username="fired")
    login, token = access_token(fired), api_token(fired, project, Role.ADMIN)
    User.objects.filter(pk=fired.pk).update(is_active=False)
    yield Principal("deactivated, by login", login, wrong)
    yield Principal("deactivated, by API token", token, wrong)
    admin = member(project, Role.ADMIN, username="careless")
    yield Principal("revoked API token", _revoked_token(admin, project), wrong)
    yield Principal("revoked login", _revoked_login(admin), wrong)
    yield Principal("expired API token", _old_token(admin, project), "token-expired")
    yield Principal("expired login", _old_login(admin), "token-expired")


def _revoked_token(user: User, project: Project) -> str:
    bearer = api_token(user, project, Role.ADMIN)
    APIToken.objects.filter(user=user).update(revoked_at=timezone.now())
    return bearer


def _revoked_login(user: User) -> str:
    bearer = access_token(user)
    for login in Login.objects.filter(user=user):
        logins.revoke(login, actor=Actor("system"))
    return bearer


def _old_token(user: User, project: Project) -> str:
    bearer = api_token(user, project, Role.ADMIN)
    alive = APIToken.objects.alive().filter(user=user)
    alive.update(expires_at=timezone.now() - timedelta(seconds=1))
    return bearer


def _old_login(user: User) -> str:
    """Return an access token that has expired, of a login that is open."""
    access_token(user)
    token = AccessToken()
    token[CLAIM] = str(Login.objects.filter(user=user, revoked_at=None).get().pk)
    token.set_exp(lifetime=timedelta(seconds=-1))
    return str(token)
