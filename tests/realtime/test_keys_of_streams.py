"""Who may follow, and for how long: keys, roles, tickets and pages of other sites."""

import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.support.event_streams import (
    Message,
    Stream,
    closed,
    received,
    socket,
    streaming,
)
from tests.support.serving import STREAM_MARKS, Ground, Service, session_of, shell

pytestmark = STREAM_MARKS

#: Longer than the time between two looks at all keys.
SOON = 7.0

#: Makes everybody a member, and prints an API token of each, and the project's id. Each
#: start of Python takes seconds.
CAST = """
from compute.events import Actor
from compute.models import Membership, Project, Role, User
from compute.services import tokens
for name, role, project in (line.split() for line in {lines!r}):
    project, _ = Project.objects.get_or_create(name=project)
    user = User(username=name)
    user.set_password("fresh-Paint-71")
    user.save()
    role = Role(role)
    Membership.objects.create(user=user, project=project, role=role)
    token = tokens.create(user=user, project=project, role=role, name="streams",
                          actor=Actor("system"), expires_at=None)[1]
    print(name, token, project.pk)
"""
LINES = (
    *(
        f"{name} admin lab"
        for name in ["ada", "abe", "amy", "ann", "alf", "lena", "tess"]
    ),
    "emil admin other",
    "nils admin own",
    "bea admin browsers",
    "ben admin browsers",
    "rita reader lab",
)


@dataclass(frozen=True, slots=True)
class Member:
    token: str
    project: str


@pytest.fixture(scope="module")
def people(ground: Ground) -> dict[str, Member]:
    """People by their names."""
    lines = shell(ground.env, CAST.format(lines=LINES)).splitlines()
    return {name: Member(*rest) for name, *rest in map(str.split, lines)}


def change(ground: Ground, statement: str, name: str = "") -> None:
    """Change what a key hangs on, in one statement about somebody."""
    whose = "(SELECT id FROM compute_user WHERE username = %s)"
    with psycopg.connect(ground.env["DATABASE_URL"]) as connection:
        sql: Any = statement.replace("WHOSE", whose)  # a text of ours
        connection.execute(sql, [name] if "WHOSE" in statement else [])


#: What ends a key of somebody's, and how their streams are told.
ENDS = {
    "ada": (
        "UPDATE compute_apitoken SET revoked_at = now() WHERE user_id = WHOSE",
        "unauthenticated",
    ),
    "abe": (
        "UPDATE compute_apitoken SET expires_at = now() WHERE user_id = WHOSE",
        "token-expired",
    ),
    "amy": (
        "UPDATE compute_membership SET role = 'member' WHERE user_id = WHOSE",
        "permission-denied",
    ),
    "ann": (
        "DELETE FROM compute_membership WHERE user_id = WHOSE",
        "unauthenticated",
    ),
    "alf": (
        "UPDATE compute_user SET is_active = false WHERE id = WHOSE",
        "unauthenticated",
    ),
    # With the access token of a login.
    "lena": (
        "UPDATE compute_login SET revoked_at = now() WHERE user_id = WHOSE",
        "unauthenticated",
    ),
    # With tickets of an API token.
    "tess": (
        "UPDATE compute_apitoken SET revoked_at = now() WHERE user_id = WHOSE",
        "unauthenticated",
    ),
    # With the session of a browser.
    "bea": (
        "UPDATE compute_login SET revoked_at = now() WHERE user_id = WHOSE",
        "unauthenticated",
    ),
}


def test_a_key_that_ends_ends_its_streams(
    uvicorn: Service, ground: Ground, people: dict[str, Member]
) -> None:
    # pragma: allowlist nextline secret
    login = {"username": "lena", "password": "fresh-Paint-71"}
    access = uvicorn.api("POST", "/auth/tokens", login).body["access"]
    # Of a key that was good when it was asked for, and never used.
    unused = ticket(uvicorn, people["tess"].token)
    with ExitStack() as stack:
        streams, sockets = {}, {}
        for name in ENDS:
            member = people[name]
            tokens, queries, headers = [member.token] * 2, ["", ""], {}
            if name == "lena":
                tokens, queries = [access] * 2, [f"?project={member.project}"] * 2
            elif name == "tess":
                tokens = ["", ""]
                queries = [f"?ticket={ticket(uvicorn, member.token)}" for _ in range(2)]
            elif name == "bea":
                tokens = ["", ""]
                headers = {"Cookie": session_of(ground.env, "bea")}
            streams[name] = stack.enter_context(
                streaming(uvicorn, queries[0], token=tokens[0], headers=headers)
            )
            sockets[name] = stack.enter_context(
                socket(uvicorn, queries[1], token=tokens[1], headers=headers)
            )
            assert streams[name].status == 200
        begun = time.monotonic()
        for name, (statement, _) in ENDS.items():
            change(ground, statement, name)
        told = {name: last_of(stream) for name, stream in streams.items()}
        assert time.monotonic() - begun < SOON
        assert {name: (end.event, end.id) for name, end in told.items()} == (
            dict.fromkeys(ENDS, ("end", ""))
        )
        expected = {name: code for name, (_, code) in ENDS.items()}
        assert {name: end.body["code"] for name, end in told.items()} == expected
        for name, client in sockets.items():
            assert closed(client) == (4000 + told[name].body["status"], expected[name])
    with streaming(uvicorn, f"?ticket={unused}", token="") as stream:
        assert stream.status == 401


def last_of(stream: Stream) -> Message:
    """Return the last block of a stream that ends."""
    last = Message()
    while (message := stream.read()) is not None:
        last = message
    return last


def test_who_may_not_read_the_log_may_not_follow_it(
    service: Service, ground: Ground, people: dict[str, Member]
) -> None:
    reader, lab, admin = (
        people["rita"].token,
        people["rita"].project,
        people["emil"].token,
    )
    for token, query, status, code in (
        (reader, "", 403, "permission-denied"),
        (ground.other_token, "", 403, "permission-denied"),
        ("osl_wrong", "", 401, "unauthenticated"),
        ("", "", 401, "unauthenticated"),
        (admin, f"?project={lab}", 400, "validation-error"),
    ):
        if token == "" and "runserver" in str(service.process.args):
            continue  # the developer's own machine
        with streaming(service, query, token=token) as stream:
            assert (stream.status, stream.problem()["code"]) == (status, code)
        with socket(service, query, token=token) as client:
            assert closed(client)[0] == 4000 + status


def test_a_stream_has_the_events_of_its_own_project_alone(
    service: Service, people: dict[str, Member]
) -> None:
    token, project_id = people["nils"].token, people["nils"].project
    with (
        streaming(service, token=token) as stream,
        socket(service, token=token) as client,
    ):
        service.api("POST", "/keypairs", {"name": f"not-ours-{uuid.uuid4().hex}"})
        name = f"ours-{uuid.uuid4().hex}"
        service.api("POST", "/keypairs", {"name": name}, token=token)
        (event,) = stream.events(1)
        assert event.body["source"] == f"/api/v1/projects/{project_id}"
        assert event.body["data"]["resource"]["name"] == name
        assert received(client, 1) == [event.body]


# Tickets


def ticket(service: Service, token: str | None = None) -> str:
    answer = service.api("POST", "/events/tickets", token=token)
    assert answer.status == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.body["ticket"])


def test_a_ticket_opens_one_stream(service: Service) -> None:
    opened: Any
    for opened in (streaming, socket):
        text = ticket(service)
        with opened(service, f"?ticket={text}", token="") as client:
            name = f"key-{uuid.uuid4().hex}"
            service.api("POST", "/keypairs", {"name": name})
            if isinstance(client, Stream):
                (event,) = (message.body for message in client.events(1))
            else:
                (event,) = received(client, 1)
            assert event["data"]["resource"]["name"] == name
        with streaming(service, f"?ticket={text}", token="") as stream:
            assert (stream.status, stream.problem()["code"]) == (401, "unauthenticated")
        with socket(service, f"?ticket={text}", token="") as other:
            assert closed(other)[0] == 4401


def test_of_many_that_come_with_one_ticket_one_gets_in(uvicorn: Service) -> None:
    query, statuses = f"?ticket={ticket(uvicorn)}", []

    def come() -> None:
        with streaming(uvicorn, query, token="") as stream:
            statuses.append(stream.status)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 7


def test_a_ticket_is_late_after_a_minute(uvicorn: Service, ground: Ground) -> None:
    text = ticket(uvicorn)
    a_minute = (
        "UPDATE compute_streamticket SET expires_at = expires_at - interval '1 min'"
    )
    change(ground, a_minute)
    with streaming(uvicorn, f"?ticket={text}", token="") as stream:
        assert (stream.status, stream.problem()["code"]) == (401, "unauthenticated")


def test_a_ticket_opens_nothing_but_streams(uvicorn: Service) -> None:
    text = ticket(uvicorn)
    for path in ("/vms", "/events"):
        answer = uvicorn.api("GET", f"{path}?ticket={text}", token="x")
        assert answer.status == 401
    answer = uvicorn.api("GET", "/auth/me", token=text)
    assert answer.status == 401


def test_who_follows_nothing_gets_no_ticket(
    uvicorn: Service, people: dict[str, Member]
) -> None:
    answer = uvicorn.api("POST", "/events/tickets", token=people["rita"].token)
    assert (answer.status, answer.body["code"]) == (403, "permission-denied")


# Browsers


@pytest.fixture(scope="module")
def cookie(ground: Ground, people: dict[str, Member]) -> str:
    """The session of somebody who logged in with a browser."""
    return session_of(ground.env, "ben")


def test_a_page_of_another_site_opens_no_socket_with_a_session(
    uvicorn: Service, cookie: str
) -> None:
    own = f"http://127.0.0.1:{uvicorn.port}"
    for origin, code in (("https://evil.example", 4403), ("null", 4403), (own, None)):
        headers = {"Cookie": cookie}
        with socket(uvicorn, token="", headers=headers, origin=origin) as client:
            if code:
                assert closed(client) == (code, "permission-denied")
            else:
                with pytest.raises(TimeoutError):
                    client.recv(timeout=1)


def test_a_key_may_come_from_any_page(uvicorn: Service) -> None:
    with (
        socket(uvicorn, origin="https://console.example") as client,
        pytest.raises(TimeoutError),
    ):
        client.recv(timeout=1)


def test_a_session_follows_in_a_tab(uvicorn: Service, cookie: str) -> None:
    for accept, status in (
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("text/event-stream", 200),
        ("text/html", 406),
    ):
        headers = {"Cookie": cookie, "Accept": accept}
        with streaming(uvicorn, token="", headers=headers) as stream:
            assert stream.status == status
