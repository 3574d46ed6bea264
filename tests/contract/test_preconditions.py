"""If-Match and If-None-Match hold on every write to what has an ETag.

The writes are those of the URL conf, so that a new one cannot forget it.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.api import Api, access_token, operator, problem
from tests.support.api_calls import CALLS, NOWHERE, Call, send, undone
from tests.support.factories import VMFactory
from tests.support.populated_projects import Place

#: What a proxy that compresses or weakens makes of a tag on its way.
ON_THE_WAY = ("W/{tag}", '{tag[:-1]}-gzip"', '{tag[:-1]};gzip"', '{tag[:-1]}--gzip"')

#: Every write to something that exists.
WRITES = [
    call
    for call in CALLS
    if call.ids and call.method not in ("GET", "HEAD") and call.path != NOWHERE
]


def test_there_are_such_writes() -> None:
    paths = {call.path.removeprefix("api/v1/") for call in WRITES}
    assert {"vms/<uuid:id>", "operations/<uuid:id>/actions/cancel"} <= paths
    assert "projects/<uuid:id>/quota" in paths


def _tag(bearer: str, call: Call, place: Place) -> str:
    """Return the ETag of what a call writes to, as it is now."""
    path = call.url(place)
    if call.path.endswith("/members/<str:username>"):
        return str(_send(bearer, _put(call.path), place).headers["ETag"])
    while True:
        answer = send(bearer, "GET", path)
        if "ETag" in answer.headers:
            return str(answer.headers["ETag"])
        path = path.rpartition("/")[0]


def _put(path: str) -> Call:
    return next(c for c in CALLS if c.path == path and c.method == "PUT")


def _send(bearer: str, call: Call, place: Place, **headers: str) -> Any:
    return send(bearer, call.method, call.url(place), call.content(place), **headers)


def _differences(bearer: str, call: Call, place: Place) -> Iterable[str]:
    """Yield a line for each answer that does not go by the headers."""
    with undone():
        if call.prepare:
            call.prepare(place)
        tag = _tag(bearer, call, place)
        refused: list[dict[str, str]] = [
            {"If_Match": '"other"'},
            {"If_None_Match": "*"},
            {"If_None_Match": f'"other", {tag}'},
        ]
        for headers in refused:
            answer = _send(bearer, call, place, **headers)
            if answer.status_code != 412:
                yield f"{call.name} {headers}: {answer.status_code}, not 412"
        # Nothing was changed by what was refused.
        headers = {"If_Match": f'"old", {tag}', "If_None_Match": '"other"'}
        answer = _send(bearer, call, place, **headers)
        if answer.status_code != call.success:
            yield f"{call.name} {headers}: {answer.status_code}"


def _on_the_way(form: str, tag: str) -> str:
    return form.replace("{tag[:-1]}", tag[:-1]).replace("{tag}", tag)


def test_every_write_goes_by_the_etag_of_what_it_changes(place: Place) -> None:
    bearer = access_token(operator())
    found = [line for call in WRITES for line in _differences(bearer, call, place)]
    assert not found, "\n".join(found)


def test_a_put_of_what_is_not_there_yet(place: Place) -> None:
    call = next(call for call in WRITES if call.path.endswith("<str:username>"))
    place.project.memberships.filter(user=place.people["leaver"]).delete()
    api = Api()
    path = call.url(place).removeprefix("/api/v1")
    body = call.content(place)
    problem(api.put(path, body, If_Match="*"), 412, "precondition-failed")
    problem(api.put(path, body, If_Match='"1"'), 412, "precondition-failed")
    first = api.put(path, body, If_None_Match="*")
    assert first.status_code == 200
    problem(api.put(path, body, If_None_Match="*"), 412, "precondition-failed")


@pytest.mark.parametrize("form", ON_THE_WAY)
def test_a_write_is_as_expected_behind_a_proxy(api: Api, form: str) -> None:
    vm = VMFactory.create()
    path, body = f"/vms/{vm.pk}", {"name": "new"}
    old = api.patch(path, body, If_Match=_on_the_way(form, '"2"'))
    problem(old, 412, "precondition-failed")
    same = api.patch(path, body, If_None_Match=_on_the_way(form, '"1"'))
    problem(same, 412, "precondition-failed")
    tag = api.patch(path, body, If_Match=_on_the_way(form, '"1"')).headers["ETag"]
    assert tag == '"2"'
    # A digest, too.
    path = f"/projects/{vm.project_id}/quota"
    tag = api.get(path).headers["ETag"]
    limit = {"vms": {"limit": 5}}
    assert api.patch(path, limit, If_Match=_on_the_way(form, tag)).status_code == 200
    late = api.patch(path, limit, If_Match=_on_the_way(form, tag))
    problem(late, 412, "precondition-failed")


@pytest.mark.parametrize("form", ON_THE_WAY)
def test_a_read_is_unchanged_behind_a_proxy(api: Api, form: str) -> None:
    vm = VMFactory.create()
    answer = api.get(f"/vms/{vm.pk}", If_None_Match=_on_the_way(form, '"1"'))
    assert (answer.status_code, answer.headers["ETag"]) == (304, '"1"')
    answer = api.get(f"/vms/{vm.pk}", If_None_Match=_on_the_way(form, '"2"'))
    assert answer.status_code == 200
