"""Keys: what each of many opens now, in a few queries for all of them."""

from collections.abc import Collection, Mapping
from typing import Any

from compute.access import Access, Key
from compute.errors import Problem, Unauthenticated
from compute.models import User
from compute.services import logins, principals, tokens


def opened(keys: Collection[Key]) -> Mapping[Key, Access | Problem]:
    """Return what each key opens now, or why it opens nothing."""
    of_kind: dict[str, list[Any]] = {"token": [], "login": [], "user": []}
    for key in keys:
        of_kind[key.kind].append(key.id)
    by_token = principals.by_tokens(set(of_kind["token"]))
    by_login = principals.by_logins(set(of_kind["login"]))
    users = User.objects.filter(is_active=True).in_bulk(set(of_kind["user"]))

    def open(key: Key) -> Access:
        if key.kind == "login":
            return logins.opened(by_login.get(key.id), key)
        if key.kind == "token" and (found := by_token.get(key.id)):
            return tokens.opened(found)
        if key.kind == "user" and (user := users.get(key.id)):
            return Access(user)
        raise Unauthenticated("The key is no longer valid.")

    answers: dict[Key, Access | Problem] = {}
    for key in keys:
        try:
            answers[key] = open(key)
        except Problem as problem:
            answers[key] = problem
    return answers
