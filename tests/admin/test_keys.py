"""API tokens and logins: looked at, revoked, never shown or removed."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import (
    BlacklistedToken,
    OutstandingToken,
)

from compute.admin.console import lists
from compute.events import Actor
from compute.models import APIToken, Event, Login, Project, Role
from compute.permissions import PERMISSIONS
from compute.services import tokens
from tests.support.console import OPERATOR, Operator, permission, staff
from tests.support.factories import (
    APITokenFactory,
    LoginFactory,
    ProjectFactory,
    UserFactory,
)

#: A time as an address has it.
DAYS_AGO = f"{timezone.now() - timedelta(days=5):%Y-%m-%dT00:00Z}"
#: noun -> how to make one, and the permission to revoke it.
KEYS: dict[str, tuple[Any, str]] = {
    "apitoken": (APITokenFactory, "api-token.delete"),
    "login": (LoginFactory, "login.revoke"),
}


def url(row: APIToken | Login, verb: str = "change") -> str:
    return f"compute/{row._meta.model_name}/{row.pk}/{verb}/"


def listed(operator: Operator, noun: str, query: str) -> int:
    return operator.get(f"compute/{noun}/?{query}").count('<th class="field-')


@pytest.mark.parametrize("noun", KEYS)
def test_a_button_revokes_one(operator: Operator, noun: str) -> None:
    row = KEYS[noun][0].create()
    assert "Revoke…" in operator.get(url(row))
    told = operator.post(url(row, "actions/revoke"))
    assert f"{row} is revoked" in told
    row.refresh_from_db()
    assert row.revoked_at is not None
    event = Event.objects.get()
    assert event.type in ("api-token.revoked", "login.revoked")
    assert event.actor == OPERATOR
    assert event.details["user"] == row.user.username
    assert "Revoke…" not in operator.get(url(row))
    operator.post(url(row, "actions/revoke"))
    assert Event.objects.count() == 1


@pytest.mark.parametrize("noun", KEYS)
def test_a_list_action_revokes_many(operator: Operator, noun: str) -> None:
    rows = KEYS[noun][0].create_batch(2)
    other = KEYS[noun][0].create()
    told = operator.post(
        f"compute/{noun}/",
        action="revoke_all",
        _selected_action=[str(row.pk) for row in rows],
    )
    assert "2 " in told
    assert "revoked" in told
    left = type(other)._default_manager.filter(revoked_at=None)
    assert [row.pk for row in left] == [other.pk]
    assert Event.objects.count() == 2


@pytest.mark.parametrize("noun", KEYS)
def test_too_many_at_once_are_refused(
    operator: Operator, noun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_SELECTED", 1)
    rows = KEYS[noun][0].create_batch(2)
    told = operator.post(
        f"compute/{noun}/",
        action="revoke_all",
        _selected_action=[str(row.pk) for row in rows],
    )
    assert "select at most 1 " in told
    assert not Event.objects.exists()


@pytest.mark.parametrize("noun", KEYS)
def test_to_revoke_takes_its_permission(db: None, noun: str) -> None:
    row = KEYS[noun][0].create()
    codename = PERMISSIONS[KEYS[noun][1]].codename
    all_others = Permission.objects.exclude(codename=codename)
    emma = staff("emma", *all_others)
    assert "Revoke…" not in emma.get(url(row))
    assert "revoke_all" not in emma.get(f"compute/{noun}/")
    assert emma.status_of_post(url(row, "actions/revoke")) == 403
    values = {"action": "revoke_all", "_selected_action": str(row.pk)}
    assert emma.status_of_post(f"compute/{noun}/", **values) == 403
    row.refresh_from_db()
    assert row.revoked_at is None
    greta = staff("greta", permission(f"view_{noun}"), permission(codename))
    assert "Revoke…" in greta.get(url(row))
    assert "is revoked" in greta.post(url(row, "actions/revoke"))


@pytest.mark.parametrize("noun", KEYS)
def test_a_revoke_is_no_link_and_needs_a_row(operator: Operator, noun: str) -> None:
    row = KEYS[noun][0].create()
    operator.get(url(row, "actions/revoke"), status=405)
    nowhere = f"compute/{noun}/00000000-0000-4000-8000-000000000000/actions/revoke/"
    assert "There is no" in operator.post(nowhere)


def test_no_page_shows_what_opens_anything(operator: Operator) -> None:
    token, secret = tokens.create(
        user=operator.user,
        project=Project.objects.default(),
        role=Role.READER,
        name="ci",
        actor=Actor(OPERATOR),
        expires_at=None,
    )
    login = LoginFactory.create()
    for path in ("compute/apitoken/", url(token), "compute/login/", url(login)):
        page = operator.get(path)
        assert secret not in page
        assert token.digest not in page
        assert login.auth_hash not in page
    assert token.prefix in operator.get(url(token))


def test_a_search_by_digest_or_secret_finds_nothing(operator: Operator) -> None:
    token = APITokenFactory.create()
    assert listed(operator, "apitoken", f"q={token.digest}") == 0


@pytest.mark.parametrize("noun", KEYS)
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("state=alive", 1),
        ("state=expired", 1),
        ("state=revoked", 1),
        (f"created_at__gte={DAYS_AGO}", 2),
        (f"created_at__lt={DAYS_AGO}", 1),
        ("q=ali", None),
        ("q=nobody", 0),
        ("q=%20", 3),
    ],
)
def test_keys_are_filtered_and_searched(
    operator: Operator, noun: str, query: str, count: int | None
) -> None:
    factory, now = KEYS[noun][0], timezone.now()
    factory.create(user=UserFactory.create(username="alice"))
    factory.create(expires_at=now, created_at=now - timedelta(days=9))
    factory.create(revoked_at=now)
    expected = {"apitoken": 0, "login": 1}[noun] if count is None else count
    assert listed(operator, noun, query) == expected


def test_tokens_are_found_by_name_prefix_user_and_project(operator: Operator) -> None:
    lab = ProjectFactory.create()
    alice = UserFactory.create(username="alice")
    APITokenFactory.create(name="deploy", prefix="osl_QqZz1234", project=lab)
    APITokenFactory.create(user=alice)
    for query in ("q=DEPL", "q=osl_QqZz", "q=alice", f"project={lab.pk}"):
        assert listed(operator, "apitoken", query) == 1, query


def test_logins_are_found_by_address_and_kind(operator: Operator) -> None:
    LoginFactory.create(address="2001:db8::1", kind="tokens")
    LoginFactory.create()
    for query in ("q=192.0.2.7", "q=2001:DB8::1", "kind__exact=tokens"):
        assert listed(operator, "login", query) == 1, query
    assert listed(operator, "login", "q=192.0.2") == 0


def test_the_bookkeeping_of_refresh_tokens_has_no_page(operator: Operator) -> None:
    for model in (OutstandingToken, BlacklistedToken):
        assert not admin.site.is_registered(model)
    operator.get("token_blacklist/outstandingtoken/", status=404)


@pytest.mark.parametrize("noun", KEYS)
def test_a_key_that_goes_on_says_until_when(operator: Operator, noun: str) -> None:
    row = KEYS[noun][0].create(expires_at=timezone.now() + timedelta(hours=9.5))
    assert "in 9\xa0hours" in operator.get(f"compute/{noun}/")
    assert f"{row.expires_at:%Y-%m-%d %H:%M}" in operator.get(url(row))
