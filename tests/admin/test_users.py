"""Users and groups: deactivated, given another password, and all of it noted."""

from django.contrib.auth.models import Group

from compute.models import Event, User
from tests.support.console import OPERATOR, Operator, permission, staff
from tests.support.factories import UserFactory


def only_event(type: str) -> Event:
    event = Event.objects.get()
    assert (event.type, event.actor) == (type, OPERATOR)
    return event


def test_who_may_change_users_cannot_take_power(operator: Operator) -> None:
    clerk = staff("clerk", permission("view_user"), permission("change_user"))
    path = f"compute/user/{operator.user.pk}"
    assert clerk.status_of_post(f"{path}/change/") == 403
    assert clerk.status_of_post(f"{path}/password/", password1="x") == 403
    own = f"compute/user/{clerk.user.pk}/change/"
    clerk.post(own, username="clerk", is_superuser="on", email="c@example.com")
    user = User.objects.get(pk=clerk.user.pk)
    assert not user.is_superuser
    assert user.is_staff


def test_a_user_is_deactivated_and_stays(operator: Operator) -> None:
    bob = User.objects.create_user("bob", password="x")
    before = bob.password
    joined = {
        f"{prefix}date_joined_{number}": text
        for prefix in ("", "initial-")
        for number, text in enumerate(f"{bob.date_joined:%Y-%m-%d %H:%M:%S}".split())
    }
    operator.post(f"compute/user/{bob.pk}/change/", username="bob", **joined)
    bob.refresh_from_db()
    assert not bob.is_active
    assert bob.password == before
    event = only_event("user.updated")
    assert event.details["user"] == "bob"
    assert event.details["changed"] == ["Active"]
    assert event.details["is_active"] is False


def test_a_password_is_reset_and_shown_nowhere(operator: Operator) -> None:
    bob = User.objects.create_user("bob", password="x")
    page = operator.get(f"compute/user/{bob.pk}/change/")
    path = f"compute/user/{bob.pk}/password/"
    assert f"/admin/{path}" in page
    secret = "correct-horse-9"  # pragma: allowlist secret
    # pragma: allowlist nextline secret
    operator.post(path, password1=secret, password2=secret, usable_password="true")
    bob.refresh_from_db()
    assert bob.check_password(secret)
    assert secret not in str(only_event("user.updated").data)


def test_no_page_shows_a_hash(operator: Operator, onlooker: Operator) -> None:
    bob = User.objects.create_user("bob", password="x")
    _, salt, digest = bob.password.split("$")
    for who in (operator, onlooker):
        for path in ("compute/user/", f"compute/user/{bob.pk}/change/"):
            page = who.get(path)
            assert salt[:6] not in page
            assert digest[:6] not in page
            assert "md5" not in page
    assert "Set another password" not in page  # of who may only look


def test_a_new_user_leaves_an_event(operator: Operator) -> None:
    secret = "correct-horse-9"  # pragma: allowlist secret
    operator.post(
        "compute/user/add/",
        username="carl",
        password1=secret,
        password2=secret,
        usable_password="true",  # pragma: allowlist secret
    )
    assert User.objects.filter(username="carl").exists()
    assert only_event("user.created").details["user"] == "carl"


def test_groups_of_operators_leave_events(operator: Operator) -> None:
    operator.post("auth/group/add/", name="night shift")
    group = Group.objects.get(name="night shift")
    operator.post(f"auth/group/{group.pk}/change/", name="day shift")
    operator.post(f"auth/group/{group.pk}/delete/", post="yes")
    events = Event.objects.order_by("created_at")
    assert [event.type for event in events] == [
        "group.created",
        "group.updated",
        "group.deleted",
    ]


def test_a_page_of_a_user_without_a_password_says_so(operator: Operator) -> None:
    bob = UserFactory.create()
    bob.set_unusable_password()
    bob.save()
    assert "no login by password" in operator.get(f"compute/user/{bob.pk}/change/")
