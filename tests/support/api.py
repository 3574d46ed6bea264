"""How the tests of the API talk to it, and read its refusals."""

from typing import Any

import orjson
from django.test import Client

from compute.events import Actor
from compute.models import User
from compute.services import logins

PREFIX = "/api/v1"


def operator() -> User:
    """Return Alice, who runs the service."""
    user, _ = User.objects.get_or_create(
        username="alice", defaults={"is_staff": True, "is_superuser": True}
    )
    return user


def access_token(user: User) -> str:
    """Return an access token of a new login."""
    tokens = logins.begin_tokens(user, actor=Actor("system"), user_agent="")
    return tokens.access


def as_user(user: User) -> "Api":
    """Return a client with a login of somebody's."""
    return Api(access_token(user))


class Api:
    """A JSON client: no Accept header, as curl without options.

    It comes as Alice, with a login, unless it is given another bearer token; an empty
    one sends none.
    """

    def __init__(self, token: str | None = None) -> None:
        token = access_token(operator()) if token is None else token
        self.client = Client(
            headers={"Authorization": f"Bearer {token}"} if token else {}
        )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; ``If_Match="…"`` becomes the header If-Match."""
        return self.client.generic(
            method,
            path if path.startswith("/health") else f"{PREFIX}{path}",
            b"" if body is None else orjson.dumps(body),
            "" if body is None else "application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)

    def names(self, path: str) -> list[str]:
        """Return the names on one page of a list."""
        response = self.get(path)
        assert response.status_code == 200, response.content
        return [row["name"] for row in response.json()["results"]]


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of an answer, which must be one."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["type"].endswith(f"/problems/{code}")
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-ID"]
    return document


def errors(response: Any) -> list[tuple[str, str]]:
    """Return (where, code) of every row of a validation-error."""
    document = problem(response, 400, "validation-error")
    return [
        (row.get("pointer") or row.get("parameter") or row["header"], row["code"])
        for row in document["errors"]
    ]
