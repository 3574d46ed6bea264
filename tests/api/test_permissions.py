"""Every route and method, asked by everybody there can be."""

from collections import Counter
from collections.abc import Iterable

import pytest

from compute.models import APIToken, Role, User
from compute.permissions import PERMISSIONS
from tests.support.api import access_token, problem
from tests.support.api_calls import (
    CALLS,
    KNOWN,
    METHODS,
    NOWHERE,
    PUBLIC,
    Call,
    of,
    routed,
    send,
    undone,
)
from tests.support.populated_projects import Place, api_token, member, settle, staff
from tests.support.principals import Principal, kept_out, let_in

#: What gives a role away -> the role that the table of calls gives by it.
GIVES = {"api-token.create": Role.READER, "member.set": Role.MEMBER}
SECURED = [call for call in CALLS if call.is_secured]


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]


def expected(call: Call, who: Principal) -> int:
    """Return the status of a secured call for somebody who is let in."""
    if call.takes == KNOWN:
        return call.success
    if call.path.startswith("api/v1/api-tokens"):
        # One that leaked must not outlive its own revocation.
        if call.method == "POST" and who.is_token:
            return 403
        # Others' are there for admins only; one's own is tested below.
        if call.sees and call.method != "POST" and not _sees_tokens_of_others(who):
            return 404
    if call.takes.startswith("event.") and who.is_admin_elsewhere:
        # Has events, though none of this project.
        knows = call.query and who.has("project.retrieve")
        return 403 if knows else call.elsewhere
    if call.sees and not who.has(call.sees):
        return call.unseen
    if call.shows and call.unseen != 403:
        # What is not to be seen is not in it.
        return 200
    return call.success if who.has(call.takes) else 403


def _sees_tokens_of_others(who: Principal) -> bool:
    return who.role is Role.ADMIN or who.operates("api-token.list")


def shown(call: Call, who: Principal) -> bool:
    """Return whether a list has the thing of the place in it."""
    if call.takes == KNOWN:
        return True
    if call.shows == "token":
        return _sees_tokens_of_others(who)
    return who.has(call.takes)


def differences(
    place: Place, everybody: Iterable[Principal], calls: Iterable[Call]
) -> list[str]:
    """Return a line for each answer that is not the expected one."""
    found = []
    calls = list(calls)
    for who in everybody:
        for call in calls:
            answer, wanted = of(call, place, who.bearer), expected(call, who)
            line = f"{call.name} as {who.name}: {answer.status_code}"
            if answer.status_code != wanted:
                found.append(f"{line}, not {wanted} {answer.content[:300]!r}")
            elif call.method == "HEAD":
                continue
            elif wanted in CODES and call.path != NOWHERE:
                problem(answer, wanted, CODES[wanted])
            elif call.shows and answer.status_code == 200:
                there = str(place.ids[call.shows]) in answer.content.decode()
                if there != shown(call, who):
                    found.append(f"{line}, {'with' if there else 'without'} it")
    return found


CODES = {403: "permission-denied", 404: "not-found", 400: "validation-error"}


# The table is whole


def test_every_route_and_method_is_in_the_table() -> None:
    missing = sorted(routed() - {call.route for call in CALLS})
    assert not missing, (
        f"add to tests/support/api_calls.py, with what they take: {missing}"
    )


def test_the_table_has_no_route_that_is_no_more() -> None:
    gone = sorted({call.route for call in CALLS} - routed())
    assert not gone, f"take out of tests/support/api_calls.py: {gone}"


def test_the_table_has_each_once() -> None:
    counted = Counter(call.route for call in CALLS)
    assert [route for route, count in counted.items() if count > 1] == []


def test_every_permission_has_a_route() -> None:
    taken = {call.takes for call in CALLS} - {KNOWN, PUBLIC}
    # The catalogue is open to whoever is somebody; logins, clouds, users and groups are
    # the console's; the clouds of a project are a field, tested below.
    without = {
        "flavor.list",
        "flavor.retrieve",
        "project.set-clouds",
    }
    of_console = {
        name
        for name in PERMISSIONS
        if name.startswith(("login.", "cloud.", "user.", "group."))
    }
    assert taken | without | of_console == set(PERMISSIONS)


# Who is who


def test_what_is_public_is_so_for_everybody_even_with_a_token_that_is_no_good(
    place: Place,
) -> None:
    for bearer in (None, "osl_nonsense"):
        for call in CALLS:
            if call.is_secured:
                continue
            answer = of(call, place, bearer)
            assert answer.status_code == call.success, (call.name, answer.content)


def test_who_is_not_let_in_is_told_so_everywhere(place: Place) -> None:
    for who in kept_out(place):
        for call in SECURED:
            answer = of(call, place, who.bearer)
            if who.bearer is None and call.path == NOWHERE:
                # What exists is no secret.
                assert answer.status_code == 404
                continue
            assert answer.status_code == 401, (call.name, who.name, answer.content)
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge.startswith("Bearer"), (call.name, who.name)
            assert ("invalid_token" in challenge) == (who.bearer is not None)
            if call.method != "HEAD":
                problem(answer, 401, who.refused)


def test_who_is_let_in_may_do_what_the_table_of_permissions_says(place: Place) -> None:
    found = differences(place, let_in(place), SECURED)
    assert not found, "\n".join(found)


def test_an_operator_without_permissions_is_nobody_in_particular(place: Place) -> None:
    who = Principal("operator without permissions", access_token(staff("idle")))
    found = differences(place, [who], SECURED)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("acts", [False, True])
def test_an_operator_may_do_what_the_account_has_permission_for(
    place: Place, acts: bool
) -> None:
    found = []
    for call in SECURED:
        if call.takes == KNOWN or not (call.sees or acts):
            continue
        # Who shall act on a thing must see it, too.
        names = {call.sees, call.takes} if acts else {call.sees}
        codenames = {PERMISSIONS[name].codename for name in names if name}
        # A token, or a role, is worth no more than the account of who gives it.
        for name, role in GIVES.items():
            if name in names:
                codenames |= {
                    permission.codename
                    for permission in PERMISSIONS.values()
                    if permission.is_granted_to(role)
                }
        with undone():
            login = access_token(staff("specialist", *codenames))
            who = Principal(
                f"operator with {sorted(codenames)}",
                login,
                permissions=frozenset(codenames),
            )
            if acts:
                assert expected(call, who) == call.success, call.name
            found += differences(place, [who], [call])
    assert not found, "\n".join(found)


def test_who_may_not_is_told_so_whatever_the_body_is(place: Place) -> None:
    reader = Principal("reader", access_token(place.people["reader"]), role=Role.READER)
    for call in SECURED:
        if call.ids and call.method not in ("GET", "HEAD"):
            answer = send(reader.bearer, call.method, call.url(place), {"nonsense": 1})
            assert answer.status_code == expected(call, reader), call.name


def test_a_method_that_no_route_has_is_405(place: Place) -> None:
    bearer = access_token(place.people["admin"])
    methods = {*METHODS, "OPTIONS"} - {"HEAD"}
    for call in {call.path: call for call in SECURED}.values():
        if call.path == NOWHERE:
            continue
        known = {other.method for other in CALLS if other.path == call.path}
        for method in methods - known:
            answer = send(bearer, method, call.url(place))
            assert answer.status_code == 405, (method, call.path)


# Roles, one by one


def test_operators_alone_say_which_clouds_a_project_may_use(place: Place) -> None:
    path = f"/api/v1/projects/{place.project.pk}"
    for who in let_in(place):
        for clouds in (["default"], None, ["unheard-of"], [], "default"):
            with undone():
                answer = send(who.bearer, "PATCH", path, {"clouds": clouds})
            if not who.has("project.list"):
                wanted = 404
            elif not who.operates("project.set-clouds"):
                wanted = 403
            else:
                wanted = 200 if clouds in (["default"], None) else 400
            assert answer.status_code == wanted, (who.name, clouds, answer.content)


def test_who_makes_a_project_needs_more_to_say_which_clouds_it_may_use(
    place: Place,
) -> None:
    body = {"name": "new", "clouds": ["default"]}
    for codenames, status in (
        (["add_project"], 403),
        (["change_project"], 403),
        (["add_project", "change_project"], 201),
    ):
        with undone():
            login = access_token(staff("specialist", *codenames))
            answer = send(login, "POST", "/api/v1/projects", body)
        assert answer.status_code == status, codenames


def test_everybody_has_their_own_tokens(place: Place) -> None:
    for who in let_in(place):
        if who.role is None or "operator" in who.name:
            continue
        user = place.people.get(who.name) or User.objects.get(username="robot")
        # An API token ends no token of its own role or above.
        mine = APIToken.objects.filter(user=user).order_by("created_at").first()
        if mine is None:
            api_token(user, place.project, Role.READER)
            mine = APIToken.objects.get(user=user)
        path = f"/api/v1/api-tokens/{mine.pk}"
        with undone():
            assert send(who.bearer, "GET", path).status_code == 200, who.name
            assert send(who.bearer, "DELETE", path).status_code == 204, who.name


def test_a_role_counts_in_its_own_project_alone(catalogue: None) -> None:
    here, there = settle("here", "there")
    user = member(here.project, Role.ADMIN, username="both")
    there.project.memberships.create(user=user, role=Role.READER)
    login = access_token(user)
    token = api_token(user, here.project, Role.ADMIN)
    reader = Principal(
        "reader, and admin elsewhere", login, role=Role.READER, is_admin_elsewhere=True
    )
    stranger = Principal(
        "token of elsewhere", token, is_token=True, is_admin_elsewhere=True
    )
    calls = [call for call in SECURED if call.method != "HEAD"]
    found = differences(there, [reader, stranger], calls)
    assert not found, "\n".join(found)
