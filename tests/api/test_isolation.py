"""What is in another project is as if it did not exist."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from django.urls import resolve

from compute.models import (
    VM,
    Event,
    Port,
    Project,
    Role,
    Snapshot,
    User,
)
from tests.support.api import access_token
from tests.support.api_calls import CALLS, KNOWN, Call, send, undone
from tests.support.foreign_things import filter_values, named_in_bodies, put_in
from tests.support.populated_projects import (
    NETWORK_MODELS,
    Place,
    api_token,
    member,
    settle,
    staff,
)

READS = ("GET", "HEAD")
SECURED = [call for call in CALLS if call.is_secured and call.takes != KNOWN]
#: The routes with the id of something that is in a project.
BY_ID = [call for call in SECURED if call.ids]
LISTS = [call for call in CALLS if call.method == "GET" and call.shows]


@dataclass
class Two:
    """Two projects, of which `ours` must learn nothing about `theirs`."""

    ours: Place
    theirs: Place
    #: Who of ours asks -> with what.
    bearers: dict[str, str]

    @property
    def admin(self) -> str:
        return self.bearers["admin"]


@pytest.fixture
def two(catalogue: None) -> Two:
    ours, theirs = settle("ours", "zanzibar")
    bearers = {role: access_token(ours.people[role]) for role in ("member", "admin")}
    return Two(ours, theirs, bearers)


class Told(NamedTuple):
    """All that an answer tells, but for what was sent and the id of the request."""

    status: int
    text: str
    headers: dict[str, str]


#: What is another one in every answer.
_ALWAYS_NEW = re.compile(
    r"req-[0-9a-f-]{36}|;r=\d+;t=\d+|nonce[-=][^ ;>]+"
    r"|(csrfToken\": |csrfmiddlewaretoken\" value=)\"\w+\""
)


def told(answer: Any, sent: object) -> Told:
    def without(text: str) -> str:
        return _ALWAYS_NEW.sub("NEW", text.replace(str(sent), "SENT"))

    headers = {name: without(value) for name, value in answer.headers.items()}
    headers.pop("Content-Length", None)  # numbers in it may be longer
    return Told(answer.status_code, without(answer.content.decode()), headers)


def unknown(thing: object) -> object:
    """Return a thing of the same kind that nothing is called."""
    return uuid4() if isinstance(thing, UUID) else f"nothing-{uuid4()}"


def variants(call: Call, place: Place) -> Iterator[tuple[Any, dict[str, str]]]:
    """Yield the call, and what might be looked at before the id is."""
    body = call.content(place)
    yield body, {}
    if call.method in READS:
        yield None, {"If_None_Match": "*"}
        yield None, {"Accept": "text/html"}
    else:
        yield body, {"If_Match": '"999"'}
        yield body, {"Idempotency_Key": "k", "Prefer": "wait=1"}
        yield {"nonsense": 1}, {}


def test_an_id_of_theirs_is_answered_as_one_that_nothing_has(two: Two) -> None:
    for who, bearer in two.bearers.items():
        for call in BY_ID:
            foreign = two.theirs.ids[call.ids["id"]]
            # Who administers nothing is told so, whatever the id.
            status = 403 if who == "member" and call.unseen == 403 else 404
            for body, headers in variants(call, two.ours):
                answers = [
                    told(
                        send(
                            bearer,
                            call.method,
                            call.url(two.ours, id=id),
                            body,
                            **headers,
                        ),
                        id,
                    )
                    for id in (foreign, unknown(foreign))
                ]
                context = (call.name, who, body, headers)
                assert answers[0] == answers[1], context
                assert answers[0].status == status, (context, answers[0])


@pytest.mark.parametrize("query", ["include_deleted=true", "include_deleted=nonsense"])
def test_what_is_deleted_is_not_there_either(two: Two, query: str) -> None:
    for call in BY_ID:
        foreign = two.theirs.ids[call.ids["id"]]
        if call.method not in READS:
            continue
        answers = [
            told(
                send(two.admin, call.method, f"{call.url(two.ours, id=id)}?{query}"), id
            )
            for id in (foreign, unknown(foreign))
        ]
        assert answers[0] == answers[1], call.name
        assert answers[0].status in (400, 404), call.name


def test_who_is_no_member_here_is_removed_as_who_does_not_exist(two: Two) -> None:
    # A number that stands nowhere else in an answer.
    user = User.objects.create(username="zanzibar-far")
    two.theirs.project.memberships.create(user=user, role=Role.READER)
    path = f"/api/v1/projects/{two.ours.project.pk}/members"
    answers = [
        told(send(two.admin, "DELETE", f"{path}/{name}"), name)
        for name in ("zanzibar-far", "zanzibar-nil")
    ]
    assert answers[0] == answers[1]
    assert answers[0].status == 404


def ask_with(bearer: str, path: str, body: Any, field: str, thing: object) -> Told:
    method = "PUT" if path.endswith("/rules") and "rules" in body else "POST"
    return told(send(bearer, method, path, put_in(body, field, thing)), thing)


def test_what_of_theirs_stands_in_a_body_does_not_exist(two: Two) -> None:
    for who, bearer in two.bearers.items():
        for path, body, field, foreign in named_in_bodies(two.ours, two.theirs):
            answers = [
                ask_with(bearer, path, body, field, thing)
                for thing in (foreign, unknown(foreign))
            ]
            assert answers[0] == answers[1], (path, field, who)
            assert answers[0].status == 400, (path, field, answers[0])
            assert "does_not_exist" in answers[0].text, (path, field, answers[0])
            pointer = f"#/{field.removesuffix('/network')}"
            if field != "project":
                assert pointer in answers[0].text, (path, field, answers[0])


def test_a_rule_of_theirs_is_not_in_a_group_of_ours(two: Two) -> None:
    path = f"/api/v1/security-groups/{two.ours.ids['group']}/rules"
    for bearer in two.bearers.values():
        answers = [
            told(send(bearer, "DELETE", f"{path}/{id}"), id)
            for id in (two.theirs.ids["rule"], uuid4())
        ]
        assert answers[0] == answers[1]
        assert answers[0].status == 404


# Lists


def test_no_filter_finds_what_is_theirs(two: Two) -> None:
    secrets = list(two.theirs.secrets())
    for call in LISTS:
        path = call.url(two.ours)
        view: Any = resolve(path).func
        for name in view.cls.filterset_class.base_filters:
            for value in filter_values(name, call, two.theirs):
                found = send(two.admin, "GET", f"{path}?per_page=100&{name}={value}")
                assert found.status_code in (200, 400), (path, name, found.content)
                seen = told(found, value)
                assert not [s for s in secrets if s in seen.text], (path, name, value)
                if isinstance(value, UUID) and "flavor" not in (name, call.shows):
                    nothing = uuid4()
                    other = send(
                        two.admin, "GET", f"{path}?per_page=100&{name}={nothing}"
                    )
                    assert seen == told(other, nothing), (path, name)
                    assert found.json()["results"] == []


def test_all_that_can_be_read_tells_nothing_of_theirs(two: Two) -> None:
    secrets = list(two.theirs.secrets())
    assert len(secrets) > 20
    for bearer in two.bearers.values():
        for call in CALLS:
            if call.method != "GET" or not call.is_secured:
                continue
            for query in ("", *(["?cursor=&per_page=100"] if call.shows else [])):
                for accept in ("application/json", "text/html"):
                    answer = send(
                        bearer, "GET", f"{call.url(two.ours)}{query}", Accept=accept
                    )
                    text = f"{answer.content.decode()}{dict(answer.headers)}"
                    assert not [s for s in secrets if s in text], (call.name, accept)


def test_their_rows_are_not_even_counted(two: Two) -> None:
    for call in LISTS:
        if call.takes == KNOWN or call.takes == "image.list":
            continue
        path = f"{call.url(two.ours)}?cursor=&per_page=100"
        before = told(send(two.admin, "GET", path), path)
        with undone():
            Event.objects.create(project=two.theirs.project, sequence=10**6, type="x")
            settled = VM.objects.filter(project=two.theirs.project)
            settled.update(name="renamed")
            Project.objects.filter(pk=two.theirs.project.pk).update(
                event_sequence=10**6
            )
            assert told(send(two.admin, "GET", path), path) == before, call.name


def test_the_event_cursor_is_that_of_ones_own_project(two: Two) -> None:
    own = f"{Project.objects.get(pk=two.ours.project.pk).event_sequence:012d}"
    for call in LISTS:
        path, theirs = call.url(two.ours), two.theirs.project.pk
        if call.takes == KNOWN:
            continue
        assert send(two.admin, "GET", path).headers["Event-Cursor"] == own, call.name
        answer = send(two.admin, "GET", f"{path}?project={theirs}")
        assert "Event-Cursor" not in answer.headers, call.name


def test_a_cursor_of_theirs_shows_only_what_is_ours(two: Two) -> None:
    secrets = list(two.theirs.secrets())
    their_admin = access_token(two.theirs.people["admin"])
    for call in LISTS:
        first = send(their_admin, "GET", f"{call.url(two.ours)}?cursor=&per_page=1")
        following = first.json()["next"]
        if following is None:
            continue
        answer = send(two.admin, "GET", following.removeprefix("http://testserver"))
        assert answer.status_code == 200, call.name
        text = answer.content.decode()
        assert not [s for s in secrets if s in text], call.name
        owners = {row.get("project") for row in answer.json()["results"]}
        assert owners <= {None, str(two.ours.project.pk)}, call.name


# Writes


def test_nothing_is_left_in_their_project_by_who_tries(two: Two) -> None:
    def state() -> list[Any]:
        project = two.theirs.project
        return [
            Event.objects.filter(project=project).count(),
            *VM.objects.filter(project=project).values(),
            *(
                row
                for model in NETWORK_MODELS
                for row in model._default_manager.filter(project=project).values()
            ),
            *Port.objects.filter(project=project).values(),
            *Snapshot.objects.filter(project=project).values(),
            *project.memberships.values(),
            *project.quotas.values(),
            *project.api_tokens.values("revoked_at"),
        ]

    before = state()
    for bearer in two.bearers.values():
        for call in BY_ID:
            foreign = two.theirs.ids[call.ids["id"]]
            url = call.url(two.ours, id=foreign)
            send(bearer, call.method, url, call.content(two.theirs))
    assert state() == before


def test_the_log_of_ones_own_project_tells_nothing_of_theirs(two: Two) -> None:
    for call in BY_ID:
        url = call.url(two.ours, id=two.theirs.ids[call.ids["id"]])
        send(two.admin, call.method, url, call.content(two.ours))
    for path, body, field, foreign in named_in_bodies(two.ours, two.theirs):
        ask_with(two.admin, path, body, field, foreign)
    log = send(two.admin, "GET", "/api/v1/events?per_page=100").content.decode()
    assert not [secret for secret in two.theirs.secrets() if secret in log]


def test_a_key_of_theirs_means_nothing_here(two: Two) -> None:
    body = {"name": "new", "flavor": "m1.small", "image": "ubuntu-22.04"}
    both = member(two.ours.project, Role.MEMBER, username="both")
    two.theirs.project.memberships.create(user=both, role=Role.MEMBER)
    made = set()
    for bearer, place in (
        (access_token(two.theirs.people["member"]), two.theirs),
        (two.bearers["member"], two.ours),
        (two.bearers["admin"], two.ours),
        (access_token(both), two.ours),
        (access_token(both), two.theirs),
    ):
        answer = send(
            bearer,
            "POST",
            "/api/v1/vms",
            {**body, "project": str(place.project.pk)},
            Idempotency_Key="the-same",
        )
        assert answer.status_code == 202, answer.content
        assert "Idempotent-Replayed" not in answer.headers
        assert answer.json()["project"] == str(place.project.pk)
        made.add(answer.json()["id"])
    assert len(made) == 5


def test_a_key_opens_nothing_to_who_has_left(two: Two) -> None:
    user = two.ours.people["member"]
    body = {
        "name": "new",
        "flavor": "m1.small",
        "image": "ubuntu-22.04",
        "project": str(two.ours.project.pk),
    }
    for status in (202, 202, 400):
        answer = send(
            two.bearers["member"], "POST", "/api/v1/vms", body, Idempotency_Key="k"
        )
        assert answer.status_code == status
        if answer.headers.get("Idempotent-Replayed"):
            two.ours.project.memberships.filter(user=user).delete()


def test_operators_have_keys_of_their_own(two: Two) -> None:
    names = "add_project", "view_project"
    for username in ("olga", "oleg"):
        answer = send(
            access_token(staff(username, *names)),
            "POST",
            "/api/v1/projects",
            {"name": f"of {username}"},
            Idempotency_Key="k",
        )
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers


def test_an_api_token_reaches_only_its_project(two: Two) -> None:
    user = member(two.ours.project, Role.ADMIN, username="both")
    two.theirs.project.memberships.create(user=user, role=Role.ADMIN)
    bearer = api_token(user, two.ours.project, Role.ADMIN)
    secrets = [s for s in two.theirs.secrets() if s != str(user.pk)]
    for call in CALLS:
        if call.method != "GET" or not call.is_secured or call.takes == KNOWN:
            continue
        if call.ids:
            foreign = call.url(two.ours, id=two.theirs.ids[call.ids["id"]])
            assert send(bearer, "GET", foreign).status_code == 404, call.name
        else:
            text = send(bearer, "GET", call.url(two.ours)).content.decode()
            assert not [s for s in secrets if s in text], call.name
