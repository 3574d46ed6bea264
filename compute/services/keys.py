"""Keys: what each of many opens now, in a few queries for all of them."""

from collections.abc import Collection, Mapping
from typing import Any

from compute.access import Access, Key
from compute.errors import Problem, Unauthenticated
from compute.models import User
from compute.services import logins, principals, tokens


def opened(keys: Collection[Key]) -> Mapping[Key, Access | Problem]:
    """Return what each key opens now, or why it opens nothing."""
    of_kind: dict[str, set[Any]] = {"token": set(), "login": set(), "user": set()}
    for key in keys:
        of_kind[key.kind].add(key.id)
    by_token = principals.by_tokens(of_kind["token"])
    by_login = principals.by_logins(of_kind["login"])
    users = User.objects.filter(is_active=True).in_bulk(of_kind["user"])
    answers: dict[Key, Access | Problem] = {}
    for key in keys:
        try:
            if key.kind == "login":
                answers[key] = logins.opened(by_login.get(key.id), key)
            elif key.kind == "token" and (found := by_token.get(key.id)):
                answers[key] = tokens.opened(found)
            elif key.kind == "user" and (user := users.get(key.id)):
                answers[key] = Access(user)
            else:
                answers[key] = Unauthenticated("The key is no longer valid.")
        except Problem as problem:
            answers[key] = problem
    return answers
